"""A made-up Paris, imaged by Spot-7 and Sentinel-2 and published on localhost."""
