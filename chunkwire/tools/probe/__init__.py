"""Which hop holds the stream? Hops are asked, their answers judged, and what may free them looked up."""
