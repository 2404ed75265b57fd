"""Networks and programs like OTBTF's examples, under the names that scripts import."""
