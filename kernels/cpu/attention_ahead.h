// Prefetch of later tiles of keys. Included inside an anonymous namespace.

// Where the K and V of a later tile lie, or null. Memory gives more when both are read at once and long
// before, so every turn of the kernels fetches lines of both, of two tiles on.
struct Ahead {
  const char *k, *v;
  int64_t step;  // lines of each in a turn of all groups

  // The line for group `group`'s turn.
  void fetch(int group, int64_t turn) const {
    _mm_prefetch((group % 2 == 0 ? k : v) + (turn * step + group / 2) * 64, _MM_HINT_T1);
  }
  Ahead past(int groups) const { return {k + groups / 2 * 64, v + groups / 2 * 64, step}; }
  Ahead second_half(int64_t head_dim) const {
    return {k + head_dim * 64, v + head_dim * 64, head_dim / 32 > 0 ? head_dim / 32 : 1};
  }
};
