"""Fragments that are put together."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from simp_proto.toolkit.fragments import Fragment, Fragments, Key, Whole

KEY = Key(b"a", b"b", 1)


@given(st.sets(st.integers(1, 30), max_size=12), st.integers(241, 300), st.integers(1, 3), st.data())
def test_each_copy_is_whole_when_its_last_fragment_comes(
    cuts: set[int], size: int, copies: int, data: st.DataObject
) -> None:
    """In whatever order they come, the nth copy is there when every fragment has come n times."""
    whole = bytes(at % 251 for at in range(size))
    places = list(pairwise((0, *(8 * cut for cut in sorted(cuts)), size)))
    parts = [Fragment(start, end - start, whole[start:end], end == size) for start, end in places]
    arriving = data.draw(st.permutations(parts * copies))
    fragments = Fragments()
    seen = dict.fromkeys(parts, 0)
    done = 0
    for part in arriving:
        seen[part] += 1
        expected = min(seen.values()) > done
        done += expected
        assert fragments.add(KEY, part, 0.0) == (Whole(whole, size, len(parts)) if expected else None)
    assert fragments.end() == 0


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 5), st.binary(max_size=40), st.booleans()), max_size=60))
def test_whatever_comes_all_are_accounted_for(arriving: list[tuple[int, int, bytes, bool]]) -> None:
    fragments = Fragments()
    used = refused = 0
    for offset, number, data, is_last in arriving:
        try:
            whole = fragments.add(Key(b"a", b"b", number), Fragment(offset * 8, len(data), data, is_last), None)
        except ValueError:
            refused += 1
        else:
            used += whole.fragments if whole else 0
            assert whole is None or len(whole.data) == whole.size
    assert used + refused + fragments.end() == len(arriving)
