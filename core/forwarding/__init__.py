"""What there is to know about mail being forwarded: recipients, rules, hiding places, ways out.

Pure but for `lookups`, which asks the tenant who a recipient is.
"""
