"""What holds any daemon against the specification: cases, the tester that runs them, and its reports."""
