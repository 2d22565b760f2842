namespace PdEngine;

/// <summary>The part of a request's sample rows that is the same at every position, made once.</summary>
internal sealed class DrawTemplate
{
    public DrawTemplate(Request request)
    {
        SamplingParams sampling = request.Sampling;
        Row = new()
        {
            Seed = request.Seed,
            Temperature = sampling.Temperature,
            TopP = sampling.TopP,
            MinP = sampling.MinP,
            TopK = sampling.TopK,
            TopPMode = (int)sampling.TopPMode,
            LogProbMode = (int)sampling.LogProbMode,
            RepetitionPenalty = sampling.RepetitionPenalty,
            FrequencyPenalty = sampling.FrequencyPenalty,
            PresencePenalty = sampling.PresencePenalty,
            BiasCount = sampling.LogitBias.Count,
        };
        HasPenalty = sampling.RepetitionPenalty != 1 || sampling.FrequencyPenalty != 0
            || sampling.PresencePenalty != 0;
        SuppressedEnd = request.StopTokenIds.Length == 0
            ? 0
            : request.PenaltyPromptCount + sampling.MinNewTokens;
        if (sampling.LogitBias.Count == 0)
            return;
        BiasIds = [.. sampling.LogitBias.Keys];
        Array.Sort(BiasIds);
        BiasValues = Array.ConvertAll(BiasIds, id => sampling.LogitBias[id]);
    }

    public SampleRow Row { get; }

    /// <summary>A penalty is set, so rows need the tokens before them.</summary>
    public bool HasPenalty { get; }

    /// <summary>Stop ids are suppressed at output positions before this one.</summary>
    public int SuppressedEnd { get; }

    /// <summary>Ascending.</summary>
    public int[] BiasIds { get; } = [];

    public float[] BiasValues { get; } = [];
}
