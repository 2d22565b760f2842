using System.Buffers;
using System.Runtime.Intrinsics;

namespace PdEngine;

/// <summary>
/// Attention in two passes over a query's keys, oldest first: all scores, then softmax weights and the
/// weighted sum of V. Positions alone set the order, so neither pages nor chunks nor neighbours show in a
/// result.
/// </summary>
internal static unsafe class ReferenceAttention
{
    /// <summary>Operands of one layer's attention.</summary>
    internal readonly record struct Layer(
        Tensor Qkv, AttentionShape Shape, ReferenceKvStore Store, int Index, int Window, AttentionBatch Batch,
        Tensor Output);

    /// <summary>
    /// Normalises and turns one token's q and k heads, and puts its k and v into its block.
    /// </summary>
    public static void Append(
        Span<float> row, AttentionShape shape, ReadOnlySpan<float> rope, ReadOnlySpan<float> queryNorm,
        ReadOnlySpan<float> keyNorm, float epsilon, ReferenceKvStore store, int layer, int block, int slot)
    {
        int width = shape.HeadDim;
        for (int head = 0; head < shape.HeadCount; head++)
            Turn(row.Slice(head * width, width), rope, queryNorm, epsilon);
        // Turned before it is stored: ranks that share a KV head write the same values to the same place.
        Span<float> turned = stackalloc float[width];
        for (int head = 0; head < shape.KvHeadCount; head++)
        {
            ReadOnlySpan<float> key = row.Slice(shape.QueryColumns + (head * width), width);
            ReadOnlySpan<float> value =
                row.Slice(shape.QueryColumns + shape.KvColumns + (head * width), width);
            int stored = shape.FirstKvHead + head;
            key.CopyTo(turned);
            Turn(turned, rope, keyNorm, epsilon);
            turned.CopyTo(new(store.Head(block, layer, 0, stored) + ((long)slot * width), width));
            value.CopyTo(new(store.Head(block, layer, 1, stored) + ((long)slot * width), width));
        }
    }

    /// <summary>All heads of one token of the batch.</summary>
    public static void Token(in Layer layer, int token)
    {
        AttentionSlice slice = layer.Batch.Slices[SliceOf(layer.Batch.Slices, token)];
        ReadOnlySpan<int> blocks = layer.Batch.Blocks[slice.FirstBlock..];
        int position = slice.Start + token - slice.FirstToken;
        int first = layer.Window > 0 ? Math.Max(0, position - layer.Window + 1) : 0;
        float[] scores = ArrayPool<float>.Shared.Rent(position + 1 - first);
        AttentionShape shape = layer.Shape;
        Span<float> query = layer.Qkv.Row(token);
        Span<float> output = layer.Output.Row(token);
        for (int head = 0; head < shape.HeadCount; head++)
        {
            int kvHead = shape.FirstKvHead + (int)((long)head * shape.KvHeadCount / shape.HeadCount);
            Span<float> weights = scores.AsSpan(0, position + 1 - first);
            fixed (float* q = query.Slice(head * shape.HeadDim, shape.HeadDim))
                Score(layer, blocks, kvHead, q, first, weights);
            float inverse = Exponentiate(weights);
            fixed (float* to = output.Slice(head * shape.HeadDim, shape.HeadDim))
                Blend(layer, blocks, kvHead, weights, first, inverse, to);
        }
        ArrayPool<float>.Shared.Return(scores);
    }

    private static void Score(
        in Layer layer, ReadOnlySpan<int> blocks, int kvHead, float* query, int first, Span<float> scores)
    {
        int width = layer.Shape.HeadDim;
        float scale = (float)(1 / Math.Sqrt(width));
        int page = layer.Store.Layout.PageSize;
        for (int index = 0; index < scores.Length;)
        {
            int position = first + index;
            float* key = layer.Store.Head(blocks[position / page], layer.Index, 0, kvHead)
                + ((long)(position % page) * width);
            int end = Math.Min(scores.Length, index + page - (position % page));
            for (; index < end; index++, key += width)
                scores[index] = ReferenceMatMul.Dot(query, key, width) * scale;
        }
    }

    /// <summary>Turns scores into exp(score - max); returns one over their sum.</summary>
    private static float Exponentiate(Span<float> scores)
    {
        float max = float.NegativeInfinity;
        foreach (float score in scores)
            max = MathF.Max(max, score);
        double sum = 0;
        for (int index = 0; index < scores.Length; index++)
        {
            scores[index] = MathF.Exp(scores[index] - max);
            sum += scores[index];
        }
        return (float)(1 / sum);
    }

    private static void Blend(
        in Layer layer, ReadOnlySpan<int> blocks, int kvHead, ReadOnlySpan<float> weights, int first,
        float inverse, float* output)
    {
        int width = layer.Shape.HeadDim;
        int page = layer.Store.Layout.PageSize;
        new Span<float>(output, width).Clear();
        for (int index = 0; index < weights.Length;)
        {
            int position = first + index;
            float* value = layer.Store.Head(blocks[position / page], layer.Index, 1, kvHead)
                + ((long)(position % page) * width);
            int end = Math.Min(weights.Length, index + page - (position % page));
            for (; index < end; index++, value += width)
                Accumulate(weights[index], value, output, width);
        }
        for (int j = 0; j < width; j++)
            output[j] *= inverse;
    }

    private static void Accumulate(float weight, float* value, float* output, int width)
    {
        Vector256<float> factor = Vector256.Create(weight);
        int j = 0;
        for (; j + 8 <= width; j += 8)
            Vector256.FusedMultiplyAdd(factor, Vector256.Load(value + j), Vector256.Load(output + j))
                .Store(output + j);
        for (; j < width; j++)
            output[j] = MathF.FusedMultiplyAdd(weight, value[j], output[j]);
    }

    private static void Turn(
        Span<float> head, ReadOnlySpan<float> rope, ReadOnlySpan<float> norm, float epsilon)
    {
        if (norm.Length > 0)
            ReferenceRows.Normalise(head, norm, epsilon, head);
        Rotate(head, rope);
    }

    private static void Rotate(Span<float> head, ReadOnlySpan<float> rope)
    {
        int pairs = head.Length / 2;
        for (int j = 0; j < pairs; j++)
        {
            (float a, float b, float cos, float sin) = (head[j], head[j + pairs], rope[j], rope[pairs + j]);
            head[j] = (a * cos) - (b * sin);
            head[j + pairs] = (b * cos) + (a * sin);
        }
    }

    private static int SliceOf(ReadOnlySpan<AttentionSlice> slices, int token)
    {
        int low = 0;
        for (int high = slices.Length; high - low > 1;)
        {
            int middle = (low + high) / 2;
            if (slices[middle].FirstToken <= token)
                low = middle;
            else
                high = middle;
        }
        return low;
    }
}
