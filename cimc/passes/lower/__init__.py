"""Graph to LayerGraph: operations become layers on feature maps."""
