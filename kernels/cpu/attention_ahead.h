// Prefetch of later tiles of keys. Included inside an anonymous namespace.

// Where the K and V of a later tile lie, or null. Memory gives more when both are read at once and long
// before, so every group of registers that is worked on fetches a line of K or V of two tiles on.
struct Ahead {
  const char *k, *v;

  // The line for group `group`'s turn, of so many turns each group takes.
  void fetch(int group, int64_t turns, int64_t turn) const {
    _mm_prefetch((group % 2 == 0 ? k : v) + (group / 2 * turns + turn) * 64, PD_HINT);
  }
  Ahead past(int groups, int64_t turns) const {
    return {k + groups / 2 * turns * 64, v + groups / 2 * turns * 64};
  }
  Ahead second_half(int64_t head_dim) const { return {k + head_dim * 64, v + head_dim * 64}; }
};
