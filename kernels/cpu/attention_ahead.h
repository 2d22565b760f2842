// Prefetch of the tile that comes next. Included inside an anonymous namespace.

// What to fetch while K is worked on and what while V is: the V of the same turn, then the K of the next one.
// The kernels read four pages of a tile in turns, which keeps the hardware's prefetch short; fetched line
// after line, and no further ahead than the first cache holds, memory gives most. Where there is nothing to
// fetch these are the K and the V at work.
struct Ahead {
  const char *during_k, *during_v;

  // The line for the turn of group `group` of `groups` that are worked on together.
  void fetch_during_k(int group, int64_t turn, int groups) const { fetch(during_k, group, turn, groups); }
  void fetch_during_v(int group, int64_t turn, int groups) const { fetch(during_v, group, turn, groups); }
  // What is left after so many groups of so many turns each.
  Ahead past(int64_t groups, int64_t turns) const {
    return {during_k + groups * turns * 64, during_v + groups * turns * 64};
  }

 private:
  static void fetch(const char* from, int group, int64_t turn, int groups) {
    _mm_prefetch(from + (turn * groups + group) * 64, _MM_HINT_T0);
  }
};
