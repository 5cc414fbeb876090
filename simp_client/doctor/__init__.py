"""Why somebody can't be reached: `facts` are gathered by `probing` and judged by `verdicts`; `command` prints them."""
