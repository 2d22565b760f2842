// ldmatrix and mma.m16n8k16 of a warp, for whole tiles at once. Every address and register is that of its
// lane, as the instructions lay them out:
//   ldmatrix.x4: lane 8m + r names row r of the 8 x 8 matrix m; register m of lane l holds row l / 4,
//   elements
//                2 (l % 4) and the next (of the transposed matrix, where transposed)
//   mma:         c[e] of lane l is row l / 4 + 8 (e / 2), column 2 (l % 4) + e % 2
#pragma once
#include "block.h"

namespace pd::cuda {

typedef float Lanes8 __attribute__((vector_size(32)));
typedef u32 Bits8 __attribute__((vector_size(32)));
typedef u16 Halves8 __attribute__((vector_size(16)));

struct TileA {
  float at[16][16];
};
struct TileB {
  Lanes8 at[16];  // k by n
};
struct TileC {
  Lanes8 at[16];
};

// The eight elements of one row of a matrix of ldmatrix, widened.
inline Lanes8 matrix_row(const bf16* row) {
  if ((reinterpret_cast<uintptr_t>(row) & 15) != 0) running->fault("a row of ldmatrix is not aligned to 16");
  running->check_shared(row, 16, "ldmatrix");
  Halves8 halves;
  std::memcpy(&halves, row, sizeof halves);
  return reinterpret_cast<Lanes8>(__builtin_convertvector(halves, Bits8) << 16);
}

// Rows of a matrix that begin in the same 16 bytes of the 128 that a cycle reads wait for one another.
template <class RowOf>
inline void count_conflicts(const RowOf& row_of) {
  for (int m = 0; m < 4; m++) {
    u32 places = 0;
    for (int r = 0; r < 8; r++) places |= 1u << (reinterpret_cast<uintptr_t>(row_of(m * 8 + r)) >> 4 & 7);
    running->bank_conflicts += 8 - __builtin_popcount(places);
  }
}

inline void put_row(float* to, Lanes8 row) { std::memcpy(to, &row, sizeof row); }

// Four matrices, as the left operand has them: rows 0-7 and 8-15 of columns 0-7, then of columns 8-15.
template <class RowOf>
inline void left_from_shared(TileA* a, const RowOf& row_of) {
  count_conflicts(row_of);
  for (int m = 0; m < 4; m++)
    for (int r = 0; r < 8; r++) put_row(&a->at[(m & 1) * 8 + r][m / 2 * 8], matrix_row(row_of(m * 8 + r)));
}

template <class RegistersOf>
inline void left_from_registers(TileA* a, const RegistersOf& registers_of) {
  for (int lane = 0; lane < 32; lane++) {
    const u32* held = registers_of(lane);
    for (int m = 0; m < 4; m++) {
      float* to = &a->at[(m & 1) * 8 + lane / 4][m / 2 * 8 + lane % 4 * 2];
      to[0] = reinterpret_bits<float>(held[m] << 16);
      to[1] = reinterpret_bits<float>(held[m] & 0xffff0000u);
    }
  }
}

// Matrices 0 and 1 are columns 0-7 and 8-15 of the sum's tile j, 2 and 3 of tile j + 1.
template <bool TRANSPOSED, class RowOf>
inline void right_from_shared(TileB* b, const RowOf& row_of) {
  count_conflicts(row_of);
  for (int m = 0; m < 4; m++) {
    Lanes8* to = &b[m / 2].at[(m & 1) * 8];
    for (int r = 0; r < 8; r++) {
      const Lanes8 row = matrix_row(row_of(m * 8 + r));
      if constexpr (TRANSPOSED) {
        to[r] = row;
      } else {
        for (int k = 0; k < 8; k++) to[k][r] = row[k];
      }
    }
  }
}

// Products of bf16 are exact; the sixteen of a step are added in order, then to what was there.
inline void multiply(TileC* c, const TileA& a, const TileB& b) {
  for (int row = 0; row < 16; row++) {
    Lanes8 sum = {};
    for (int k = 0; k < 16; k++) sum += a.at[row][k] * b.at[k];
    c->at[row] += sum;
  }
}

inline float& element(TileC& c, int lane, int e) {
  return reinterpret_cast<float*>(&c.at[lane / 4 + e / 2 * 8])[lane % 4 * 2 + e % 2];
}

template <bool TRANSPOSED, int STEPS, int MT, int NT, class A, class B>
inline void warp_product(float (&sums)[MT][NT][4], const A& a, const B& b) {
  struct Payload {
    float (*sums)[NT][4];
    const A* a;
    const B* b;
  } own{sums, &a, &b};
  running->meet("mma", &own, [](void* const* lanes) {
    auto lane_of_warp = [&](int lane) { return static_cast<Payload*>(lanes[lane]); };
    TileC c[MT][NT];
    for (int lane = 0; lane < 32; lane++)
      for (int i = 0; i < MT; i++)
        for (int j = 0; j < NT; j++)
          for (int e = 0; e < 4; e++) element(c[i][j], lane, e) = lane_of_warp(lane)->sums[i][j][e];
    for (int s = 0; s < STEPS; s++) {
      TileA left[MT];
      for (int i = 0; i < MT; i++) {
        if constexpr (A::kShared)
          left_from_shared(&left[i], [&](int lane) { return lane_of_warp(lane)->a->row(s, i); });
        else
          left_from_registers(&left[i], [&](int lane) { return lane_of_warp(lane)->a->registers(s, i); });
      }
      for (int j = 0; j < NT; j += 2) {
        TileB right[2];
        right_from_shared<TRANSPOSED>(right, [&](int lane) { return lane_of_warp(lane)->b->row(s, j); });
        for (int i = 0; i < MT; i++) {
          multiply(&c[i][j], left[i], right[0]);
          multiply(&c[i][j + 1], left[i], right[1]);
        }
      }
    }
    for (int lane = 0; lane < 32; lane++)
      for (int i = 0; i < MT; i++)
        for (int j = 0; j < NT; j++)
          for (int e = 0; e < 4; e++) lane_of_warp(lane)->sums[i][j][e] = element(c[i][j], lane, e);
  });
}

template <int STEPS, class Rows>
inline void load_fragments(u32 (&fragments)[STEPS][4], const Rows& rows) {
  struct Payload {
    u32 (*fragments)[4];
    const Rows* rows;
  } own{fragments, &rows};
  running->meet("ldmatrix", &own, [](void* const* lanes) {
    auto lane_of_warp = [&](int lane) { return static_cast<Payload*>(lanes[lane]); };
    for (int s = 0; s < STEPS; s++) {
      const bf16* row[32];
      for (int lane = 0; lane < 32; lane++) {
        row[lane] = lane_of_warp(lane)->rows->row(s);
        matrix_row(row[lane]);
      }
      count_conflicts([&](int lane) { return row[lane]; });
      for (int lane = 0; lane < 32; lane++)
        for (int m = 0; m < 4; m++)
          std::memcpy(&lane_of_warp(lane)->fragments[s][m], row[m * 8 + lane / 4] + lane % 4 * 2, 4);
    }
  });
}

}  // namespace pd::cuda
