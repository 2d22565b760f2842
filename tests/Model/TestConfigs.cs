namespace PdEngine.Tests;

/// <summary>Small model shapes that no golden has.</summary>
internal static class TestConfigs
{
    /// <summary>
    /// Every option on: all biases, q and k norms, a sliding window in odd layers, ragged widths.
    /// </summary>
    public static ModelConfig Everything { get; } = Config(6, 3, 20, 36, 50) with
    {
        QkvBias = true, OutputBias = true, MlpBias = true, QkNorm = true, SlidingWindows = [0, 5, 0],
        TieWordEmbeddings = false,
    };

    /// <summary>Nothing on, tied embeddings, one KV head.</summary>
    public static ModelConfig Plain { get; } = Config(4, 1, 16, 32, 48) with { TieWordEmbeddings = true };

    public static ModelConfig Config(int heads, int kvHeads, int headDim, int hidden, int inner) => new()
    {
        Family = ModelFamily.Llama,
        VocabularySize = 77,
        HiddenSize = hidden,
        IntermediateSize = inner,
        LayerCount = 3,
        HeadCount = heads,
        KvHeadCount = kvHeads,
        HeadDim = headDim,
        RmsNormEpsilon = 1e-5f,
        MaxPositions = 512,
        Rope = new(Frequencies(headDim), 1.1f),
        SlidingWindows = [0, 0, 0],
    };

    private static float[] Frequencies(int headDim)
    {
        float[] frequencies = new float[headDim / 2];
        for (int pair = 0; pair < frequencies.Length; pair++)
            frequencies[pair] = (float)Math.Pow(10000, -2.0 * pair / headDim);
        return frequencies;
    }
}
