#pragma once
#include "ops/ops.h"

namespace saltus::titans {

/// Within a chunk gradients u_j are taken at its first weights, so M and S are linear in them and in what comes in:
/// with a = 1 - alpha,
///   M_i = beta_i M + f_i S - sum_{j<=i} G_ij u_j
///   S_T = m_T S - sum_j n_j u_j
///   beta_i = prod_{l<=i} a_l
///   m_i = prod_{l<=i} eta_l
///   f_i = sum_{k<=i} (prod_{k<l<=i} a_l) m_k
///   n_j = theta_j prod_{j<l<=T} eta_l
///   G_ij = theta_j sum_{j<=k<=i} (prod_{k<l<=i} a_l) (prod_{j<l<=k} eta_l)
/// (derived from eqs 13, 14 and 16 of arXiv 2501.00663). Where alpha decays towards M_0 the same holds with M - M_0 in
/// the place of M. Leading axes are those of the gates; T tokens i, j a chunk.
struct ChunkKernels {
  Var written;               // G transposed, [..., j, i]: of u_j in what q_i reads; 0 where q_i does not see token j
  Var read_M, read_S;        // beta, f, [..., i, 1]: of the incoming M and S in what q_i reads
  Var written_M, written_S;  // G_Tj, n_j, [..., j, 1]: of u_j in the outgoing M and S
  Var kept_M, carried_M, carried_S;  // beta_T, f_T, m_T, [..., 1, 1]: M in M, S in M, S in S
};

/// Gates [..., T], with one leading axis or more. With `read_before_write` q_i reads M_{i-1}. Factors below exp(-30)
/// count as exp(-30).
ChunkKernels chunk_kernels(Var theta, Var eta, Var alpha, bool read_before_write);

}  // namespace saltus::titans
