namespace PdEngine.Host;

/// <summary>Compares what two checkpoints say of their model.</summary>
internal static class ConfigProof
{
    private const double RopeTolerance = 1e-6;

    /// <summary>The first thing that differs; null where there is none.</summary>
    public static string? FirstDifference(ModelConfig wanted, ModelConfig made)
    {
        (string Name, object Wanted, object Made)[] sizes =
        [
            ("vocabulary", wanted.VocabularySize, made.VocabularySize),
            ("hidden size", wanted.HiddenSize, made.HiddenSize),
            ("intermediate size", wanted.IntermediateSize, made.IntermediateSize),
            ("number of layers", wanted.LayerCount, made.LayerCount),
            ("number of heads", wanted.HeadCount, made.HeadCount),
            ("number of key-value heads", wanted.KvHeadCount, made.KvHeadCount),
            ("head dimension", wanted.HeadDim, made.HeadDim),
            ("epsilon", wanted.RmsNormEpsilon, made.RmsNormEpsilon),
            ("longest context", wanted.MaxPositions, made.MaxPositions),
            ("tied head", wanted.TieWordEmbeddings, made.TieWordEmbeddings),
            ("query bias", wanted.QkvBias, made.QkvBias),
            ("output bias", wanted.OutputBias, made.OutputBias),
            ("MLP bias", wanted.MlpBias, made.MlpBias),
            ("query norm", wanted.QkNorm, made.QkNorm),
            ("rope attention factor", wanted.Rope.AttentionFactor, made.Rope.AttentionFactor),
        ];
        foreach ((string name, object left, object right) in sizes)
        {
            if (!left.Equals(right))
                return $"{name} ({left}, not {right})";
        }
        if (!wanted.SlidingWindows.Select(window => Window(window, wanted)).SequenceEqual(
            made.SlidingWindows.Select(window => Window(window, made))))
        {
            return "sliding window";
        }
        if (!wanted.EosTokenIds.Order().SequenceEqual(made.EosTokenIds.Order()))
            return "set of ids that end a generation";
        bool hasSameRope = wanted.Rope.InverseFrequencies.Zip(made.Rope.InverseFrequencies)
            .All(pair => Math.Abs(pair.First - pair.Second) <= RopeTolerance * pair.First);
        return hasSameRope ? null : "rope";
    }

    /// <summary>A window over the whole context is none.</summary>
    private static int Window(int window, ModelConfig config) => window >= config.MaxPositions ? 0 : window;
}
