// The groups of a tile that are scored together. Included inside an anonymous namespace, by what defines
// score_groups.

// Scores of the keys [first, end) of a tile, and of others that share their registers.
template <int R, class Query>
void score_tile(const Query* q, const uint16_t* k, int64_t pairs, float* scores, int first, int end,
                Ahead ahead) {
  constexpr int G = groups_for(R);
  const int groups = (end + 15) / 16;
  int g = first / (16 * G) * G;
  // A sequence's last tile: few rows wait for memory and take of it what is there.
  const bool takes_one = R <= 5 && G > 1 && groups - g == 1, takes_two = R <= 5 && G > 2 && groups - g == 2;
  const uint16_t* const at = k + g * pairs * 32;
  if (takes_one) return score_groups<R, 1>(q, at, pairs, scores + g * 16, ahead);
  if (takes_two) return score_groups<R, 2>(q, at, pairs, scores + g * 16, ahead);
  for (; g < groups; g += G)
    score_groups<R, G>(q, k + g * pairs * 32, pairs, scores + g * 16, ahead.past(g, pairs));
}
