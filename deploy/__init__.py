"""Files for the programs around the collector, and the scripts that write some of them."""
