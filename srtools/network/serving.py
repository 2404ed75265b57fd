"""A SavedModel of which OTBTF computes only the output that it is asked for."""

from pathlib import Path

from srtools.network.saved_model import SIGNATURE


def split_outputs(folder: Path) -> None:
    """Give each output of the serving signature a node of its own.

    TensorFlow saves the network as one node with many outputs, and OTBTF, which runs
    the graph in a session, would compute all of them to get one.  Where another node
    is asked for that only repeats one of them, TensorFlow unpacks the network and
    leaves out what that output does not need.

    Arguments:
        folder: the SavedModel, just written; `saved_model.pb` is changed.
    """
    from srtools.tf import tf  # noqa: F401

    from tensorflow.core.protobuf import saved_model_pb2

    path = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel()
    model.ParseFromString(path.read_bytes())
    graph = model.meta_graphs[0]
    for name, tensor in graph.signature_def[SIGNATURE].outputs.items():
        node = graph.graph_def.node.add(
            name=f"{SIGNATURE}_{name}", op="Identity", input=[tensor.name]
        )
        node.attr["T"].type = tensor.dtype
        tensor.name = f"{node.name}:0"
    path.write_bytes(model.SerializeToString())
