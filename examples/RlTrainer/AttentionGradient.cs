using System.Collections.Concurrent;
using System.Runtime.Intrinsics;

namespace PdEngine.Examples;

/// <summary>
/// The gradient of causal attention, sequence by sequence and KV head by KV head. Probabilities are made
/// again, in float32, from what the forward pass saw: turned queries, and keys and values as the cache holds
/// them. The gradient passes straight through the cache's rounding.
/// </summary>
/// <remarks>
/// With P = softmax(s Q Kᵀ), dP = dO Vᵀ and dS = s P (dP - rowsum(P dP)): dQ = dS K, dK = dSᵀ Q and
/// dV = Pᵀ dO. Scores are made 16 keys at a time from transposed K and V; no lanes are summed but
/// the row sums of the softmax.
/// </remarks>
/// <param name="layout">Of the model.</param>
/// <param name="roundsCache">Whether the cache holds bf16.</param>
/// <param name="threads">Who computes.</param>
internal sealed unsafe class AttentionGradient(
    ParameterLayout layout, bool roundsCache, ParallelOptions threads) : IDisposable
{
    private readonly ConcurrentBag<AttentionScratch> _scratch = [];
    private readonly int _headDim = layout.Config.HeadDim;
    private readonly int _group = layout.Config.HeadCount / layout.Config.KvHeadCount;

    /// <param name="sequences">Of the pass.</param>
    /// <param name="rope">Cosines and sines by position.</param>
    /// <param name="qkv">Q turned, k and v as they were made [tokens, qkv].</param>
    /// <param name="dAttended">[tokens, q].</param>
    /// <param name="dQkv">[tokens, qkv], of q before it was turned.</param>
    public void Compute(
        PackedSequences sequences, FloatMatrix rope, FloatMatrix qkv, FloatMatrix dAttended, FloatMatrix dQkv)
    {
        int kvHeads = layout.Config.KvHeadCount;
        Parallel.For(0, sequences.Sequences.Count * kvHeads, threads, task =>
        {
            (TrainingSequence sequence, int firstToken) = sequences.Sequences[task / kvHeads];
            if (!_scratch.TryTake(out AttentionScratch? scratch))
                scratch = new AttentionScratch(_headDim);
            scratch.Resize(sequence.Tokens.Length);
            Head(scratch, rope, Part(qkv, firstToken), Part(dAttended, firstToken), Part(dQkv, firstToken),
                task % kvHeads);
            _scratch.Add(scratch);
        });
    }

    public void Dispose()
    {
        foreach (AttentionScratch scratch in _scratch)
            scratch.Dispose();
    }

    private static FloatMatrix Part(FloatMatrix all, int firstRow) =>
        new(all.Address + ((long)firstRow * all.Stride), all.Rows - firstRow, all.Columns, all.Stride);

    private void Head(
        AttentionScratch s, FloatMatrix rope, FloatMatrix qkv, FloatMatrix dAttended, FloatMatrix dQkv,
        int kvHead)
    {
        int keyColumn = layout.QueryColumns + (kvHead * _headDim);
        int valueColumn = keyColumn + layout.KvColumns;
        GatherKeysAndValues(s, rope, qkv, keyColumn, valueColumn);
        s.ClearGradients();
        for (int head = kvHead * _group; head < (kvHead + 1) * _group; head++)
        {
            int column = head * _headDim;
            for (int i = 0; i < s.Length; i++)
            {
                float* q = qkv.Address + ((long)i * qkv.Stride) + column;
                float* d = dAttended.Address + ((long)i * dAttended.Stride) + column;
                Row(s, i, q, d);
                QueryGradient(s, i);
                Turn(s.QueryGradient, rope.Address + ((long)i * rope.Stride), -1,
                    dQkv.Address + ((long)i * dQkv.Stride) + column);
            }
            for (int v = 0; v < _headDim; v += Lanes.Count)
            {
                Columns(s, s.ScoreGradients, s.KeyGradients, qkv, column, v);
                Columns(s, s.Probabilities, s.ValueGradients, dAttended, column, v);
            }
        }
        for (int j = 0; j < s.Length; j++)
        {
            float* row = dQkv.Address + ((long)j * dQkv.Stride);
            float* turn = rope.Address + ((long)j * rope.Stride);
            Turn(s.KeyGradients + (j * _headDim), turn, -1, row + keyColumn);
            Span<float> values = new(s.ValueGradients + (j * _headDim), _headDim);
            values.CopyTo(new(row + valueColumn, _headDim));
        }
    }

    // Keys turned and rounded, both ways round; values rounded, by column.
    private void GatherKeysAndValues(
        AttentionScratch s, FloatMatrix rope, FloatMatrix qkv, int keyColumn, int valueColumn)
    {
        for (int j = 0; j < s.Length; j++)
        {
            float* row = qkv.Address + ((long)j * qkv.Stride);
            float* key = s.Keys + (j * _headDim);
            Turn(row + keyColumn, rope.Address + ((long)j * rope.Stride), 1, key);
            for (int e = 0; e < _headDim; e++)
            {
                key[e] = Rounded(key[e]);
                s.KeyColumns[(e * s.PaddedLength) + j] = key[e];
                s.ValueColumns[(e * s.PaddedLength) + j] = Rounded(row[valueColumn + e]);
            }
        }
    }

    private float Rounded(float value) => roundsCache ? BFloat16.Round(value) : value;

    // Pair (e, e + headDim / 2) by its angle, forward or back.
    private void Turn(float* from, float* rope, float direction, float* to)
    {
        int half = _headDim / 2;
        for (int e = 0; e < half; e++)
        {
            float cosine = rope[e];
            float sine = rope[half + e] * direction;
            (float a, float b) = (from[e], from[half + e]);
            to[e] = (a * cosine) - (b * sine);
            to[half + e] = (b * cosine) + (a * sine);
        }
    }

    // Row i of P and dS; what is past the diagonal is zero up to the next multiple of 16.
    private void Row(AttentionScratch s, int i, float* q, float* d)
    {
        float* p = s.Probabilities + ((long)i * s.PaddedLength);
        float* ds = s.ScoreGradients + ((long)i * s.PaddedLength);
        float scale = (float)(1 / Math.Sqrt(_headDim));
        Vector512<float> largest = Vector512.Create(float.NegativeInfinity);
        Vector512<int> lanes = Vector512<int>.Indices;
        int end = (i + Lanes.Count) / Lanes.Count * Lanes.Count;
        for (int j = 0; j < end; j += Lanes.Count)
        {
            Vector512<float> score = Vector512<float>.Zero;
            Vector512<float> dp = Vector512<float>.Zero;
            float* keys = s.KeyColumns + j;
            float* values = s.ValueColumns + j;
            for (int e = 0; e < _headDim; e++, keys += s.PaddedLength, values += s.PaddedLength)
            {
                score = Lanes.Fma(Vector512.Create(q[e]), Vector512.Load(keys), score);
                dp = Lanes.Fma(Vector512.Create(d[e]), Vector512.Load(values), dp);
            }
            Vector512<float> seen =
                Vector512.LessThanOrEqual(lanes + Vector512.Create(j), Vector512.Create(i)).AsSingle();
            score = Vector512.ConditionalSelect(
                seen, score * Vector512.Create(scale), Vector512.Create(float.NegativeInfinity));
            largest = Vector512.Max(largest, score);
            score.Store(p + j);
            dp.Store(ds + j);
        }
        Normalise(p, ds, end, Lanes.Max(largest), scale);
    }

    private static void Normalise(float* p, float* ds, int end, float largest, float scale)
    {
        Vector512<float> sums = Vector512<float>.Zero;
        Vector512<float> weighted = Vector512<float>.Zero;
        for (int j = 0; j < end; j += Lanes.Count)
        {
            Vector512<float> e = Vector512.Exp(Vector512.Load(p + j) - Vector512.Create(largest));
            sums += e;
            weighted = Lanes.Fma(e, Vector512.Load(ds + j), weighted);
            e.Store(p + j);
        }
        float inverse = 1 / Lanes.Sum(sums);
        Vector512<float> mean = Vector512.Create(Lanes.Sum(weighted) * inverse);
        for (int j = 0; j < end; j += Lanes.Count)
        {
            Vector512<float> probability = Vector512.Load(p + j) * Vector512.Create(inverse);
            probability.Store(p + j);
            (probability * (Vector512.Load(ds + j) - mean) * Vector512.Create(scale)).Store(ds + j);
        }
    }

    private void QueryGradient(AttentionScratch s, int i)
    {
        float* ds = s.ScoreGradients + ((long)i * s.PaddedLength);
        for (int v = 0; v < _headDim; v += Lanes.Count)
        {
            Vector512<float> even = Vector512<float>.Zero;
            Vector512<float> odd = Vector512<float>.Zero;
            float* key = s.Keys + v;
            int j = 0;
            for (; j < i; j += 2, key += 2 * _headDim)
            {
                even = Lanes.Fma(Vector512.Create(ds[j]), Vector512.Load(key), even);
                odd = Lanes.Fma(Vector512.Create(ds[j + 1]), Vector512.Load(key + _headDim), odd);
            }
            if (j == i)
                even = Lanes.Fma(Vector512.Create(ds[j]), Vector512.Load(key), even);
            (even + odd).Store(s.QueryGradient + v);
        }
    }

    // gradients[j, v..] += sum over i >= j of weights[i, j] * rows[i, column + v..], four j at a time.
    private void Columns(
        AttentionScratch s, float* weights, float* gradients, FloatMatrix rows, int column, int v)
    {
        for (int j = 0; j < s.Length; j += 4)
        {
            Vector512<float> g0 = Vector512<float>.Zero, g1 = g0, g2 = g0, g3 = g0;
            float* weight = weights + ((long)j * s.PaddedLength) + j;
            float* row = rows.Address + ((long)j * rows.Stride) + column + v;
            for (int i = j; i < s.Length; i++, weight += s.PaddedLength, row += rows.Stride)
            {
                Vector512<float> values = Vector512.Load(row);
                g0 = Lanes.Fma(Vector512.Create(weight[0]), values, g0);
                g1 = Lanes.Fma(Vector512.Create(weight[1]), values, g1);
                g2 = Lanes.Fma(Vector512.Create(weight[2]), values, g2);
                g3 = Lanes.Fma(Vector512.Create(weight[3]), values, g3);
            }
            // Rows past the last are in the scratch and never read.
            float* to = gradients + (j * _headDim) + v;
            (Vector512.Load(to) + g0).Store(to);
            (Vector512.Load(to + _headDim) + g1).Store(to + _headDim);
            (Vector512.Load(to + (2 * _headDim)) + g2).Store(to + (2 * _headDim));
            (Vector512.Load(to + (3 * _headDim)) + g3).Store(to + (3 * _headDim));
        }
    }
}
