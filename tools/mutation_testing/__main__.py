"""`python -m tools.mutation_testing judges …`, or the targets that Mutmut mutates."""

import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["judges"]:
        # What runs while modules are imported is noted: nothing of core may be loaded before.
        from tools.mutation_testing import judges

        sys.exit(judges.main(sys.argv[2:]))
    from tools.mutation_testing import with_mutmut

    sys.exit(with_mutmut.main())
