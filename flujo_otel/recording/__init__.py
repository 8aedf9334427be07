"""What all producers record alike: content, failures, and which span is the current one."""
