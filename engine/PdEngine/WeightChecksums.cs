using System.Runtime.InteropServices;

namespace PdEngine;

/// <summary>Checksums of weights as a backend holds them, to compare two states of them.</summary>
internal static class WeightChecksums
{
    private const int ChunkElements = 1 << 16;

    /// <exception cref="WeightUpdateException">They are held in a form that is not read back.</exception>
    public static IReadOnlyDictionary<string, string> Of(WeightSet weights)
    {
        if (weights.Quantization != Quantization.None)
        {
            throw new WeightUpdateException(
                $"weights held as {weights.Quantization} cannot be read back, so they have no checksums");
        }
        PresentWeights present = weights.Present();
        Dictionary<string, string> sums = new(StringComparer.Ordinal);
        float[] chunk = new float[ChunkElements];
        foreach (TensorShape tensor in ModelTensors.Of(weights.Config))
        {
            using Sha256 hash = new();
            long count = TensorShape.Count(tensor.Shape);
            for (long first = 0; first < count; first += ChunkElements)
            {
                Span<float> part = chunk.AsSpan(0, (int)Math.Min(ChunkElements, count - first));
                present.Read(tensor.Name, first, part);
                hash.Append(MemoryMarshal.AsBytes(part));
            }
            sums.Add(tensor.Name, Convert.ToHexStringLower(hash.Finish()));
        }
        return sums;
    }
}
