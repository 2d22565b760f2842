namespace PdEngine.Tests;

/// <summary>
/// What a request must come to, computed alone, from its tokens, without cache, batch or blocks.
/// </summary>
internal sealed class SequentialOracle
{
    private readonly Request _request;
    private readonly List<int> _tokens;
    private readonly Func<int, TokenOrigin> _originOf;

    /// <param name="request">What is asked.</param>
    /// <param name="contextTokens">Longest sequence.</param>
    /// <param name="originOf">The weights of each output token, and of the K and V before it.</param>
    /// <param name="scoreEpoch">The weights of the prompt's scores.</param>
    public SequentialOracle(
        Request request, int contextTokens, Func<int, TokenOrigin> originOf, int scoreEpoch)
    {
        _originOf = originOf;
        TokenOrigin scored = new(scoreEpoch, null);
        _request = request;
        _tokens = [.. request.PromptTokens.Span];
        int promptCount = _tokens.Count;
        if (request.LogProbStart is { } start)
        {
            for (int position = start + 1; position < promptCount; position++)
            {
                SampleResult score = Sample(
                    position, _tokens[position], request.TopLogProbCount, InputTops, scored);
                InputLogProbs.Add(score.LogProb);
            }
        }
        while (Reason is null)
            Advance(promptCount, contextTokens);
    }

    public List<float> InputLogProbs { get; } = [];

    public List<TopLogProb> InputTops { get; } = [];

    public List<int> Output { get; } = [];

    public List<float> OutputLogProbs { get; } = [];

    public List<TopLogProb> OutputTops { get; } = [];

    public FinishReason? Reason { get; private set; }

    public int? StopId { get; private set; }

    public bool MetStopText { get; private set; }

    private void Advance(int promptCount, int contextTokens)
    {
        if (_request.Sampling.MaxNewTokens == 0)
        {
            Reason = FinishReason.Length;
            return;
        }
        int topCount = _request.ReturnLogProb ? _request.TopLogProbCount : 0;
        SampleResult drawn = Sample(
            _tokens.Count, -1, topCount, OutputTops, _originOf(Output.Count));
        _tokens.Add(drawn.Token);
        Output.Add(drawn.Token);
        if (_request.ReturnLogProb)
            OutputLogProbs.Add(drawn.LogProb);
        if (_request.StopTokenIds.Contains(drawn.Token))
        {
            StopId = drawn.Token;
            Reason = FinishReason.Stop;
        }
        else if (_request.Sampling.Stop.Count > 0 && FakeModel.EndsStopString(drawn.Token))
        {
            MetStopText = true;
            Reason = FinishReason.Stop;
        }
        else if (Output.Count == Math.Min(_request.Sampling.MaxNewTokens, contextTokens - promptCount))
        {
            Reason = FinishReason.Length;
        }
    }

    private SampleResult Sample(
        int position, int target, int topCount, List<TopLogProb> allTops, TokenOrigin origin)
    {
        SamplingParams sampling = _request.Sampling;
        ulong context = FakeModel.Start;
        for (int i = 0; i < position; i++)
            context = FakeModel.Fold(context, FakeModel.Kv(_tokens[i], origin.Kv?[i] ?? origin.Epoch));
        bool penalises = sampling.RepetitionPenalty != 1 || sampling.FrequencyPenalty != 0
            || sampling.PresencePenalty != 0;
        int outputIndex = position - _request.PenaltyPromptCount;
        bool suppresses = outputIndex >= 0 && outputIndex < sampling.MinNewTokens;
        SampleRow row = new()
        {
            Seed = _request.Seed,
            Position = position,
            Target = target,
            Temperature = sampling.Temperature,
            TopK = sampling.TopK,
            PromptCount = penalises ? Math.Min(position, _request.PenaltyPromptCount) : 0,
        };
        int[] biasIds = [.. sampling.LogitBias.Keys.Order()];
        TopLogProb[] tops = new TopLogProb[topCount];
        SampleResult result = FakeModel.Sample(
            FakeModel.Fold(context, origin.Epoch), row,
            penalises ? _tokens.ToArray().AsSpan(0, position) : [], biasIds,
            [.. biasIds.Select(id => sampling.LogitBias[id])], suppresses ? _request.StopTokenIds : [], tops);
        allTops.AddRange(tops);
        return result;
    }
}

/// <summary>What one token was made with.</summary>
/// <param name="Epoch">Number of the weights.</param>
/// <param name="Kv">Those of the K and V of each position before it; null where all are the same.</param>
internal readonly record struct TokenOrigin(int Epoch, int[]? Kv);
