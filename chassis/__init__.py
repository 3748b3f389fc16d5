"""The foundation that all services share. It contains no service's business."""
