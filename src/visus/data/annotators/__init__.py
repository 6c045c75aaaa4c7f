"""What programs for annotating images read: labelme, Label Studio and CVAT."""
