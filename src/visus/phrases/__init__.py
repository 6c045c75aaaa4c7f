"""Scene graphs in words: from a phrase or a question to a graph, and from a graph to words."""
