namespace PdEngine.Bench;

/// <summary>
/// What int8 costs: log-probs, perplexity and greedy answers of a model in bf16 and in int8, against those
/// of an independent implementation in bf16.
/// </summary>
internal sealed class Int8Price(string model, IReadOnlyList<GoldenCase> cases, CpuIsa isa, int threads)
{
    private List<int[]> _answers = [];

    /// <summary>A row for bf16, then one for int8.</summary>
    public async Task<IReadOnlyList<Int8PriceRow>> RunAsync(CancellationToken cancellation)
    {
        List<float?[]> wide = await ScoreAsync(Quantization.None, cancellation).ConfigureAwait(false);
        List<int[]> wideAnswers = _answers;
        List<float?[]> narrow = await ScoreAsync(Quantization.W8A8Int8, cancellation).ConfigureAwait(false);
        return [RowOf("bf16", wide, wide, wideAnswers), RowOf("int8", narrow, wide, _answers)];
    }

    /// <summary>Log-probs of every case's tokens; greedy answers of the chats go to _answers.</summary>
    private async Task<List<float?[]>> ScoreAsync(Quantization quantization, CancellationToken cancellation)
    {
        await using Engine engine = await Engine.StartAsync(
            new EngineOptions
            {
                ModelPath = model, Isa = isa, ThreadCount = threads, Quantization = quantization,
                MaxTotalTokens = 16_384,
            },
            cancellation).ConfigureAwait(false);
        List<float?[]> scores = [];
        _answers = [];
        foreach (GoldenCase one in cases)
        {
            IReadOnlyList<TokenLogProb> scored = await engine.ScoreAsync(
                one.Ids, 0, new SamplingParams(), cancellation).ConfigureAwait(false);
            scores.Add([.. scored.Select(entry => entry.LogProb)]);
            if (!one.IsChat)
                continue;
            Generation answer = await engine.GenerateAsync(
                new GenerateRequest
                {
                    InputIds = one.Ids,
                    Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = one.Greedy.Length },
                },
                cancellation).ConfigureAwait(false);
            _answers.Add([.. answer.OutputIds]);
        }
        return scores;
    }

    private Int8PriceRow RowOf(string dtype, List<float?[]> scores, List<float?[]> bf16, List<int[]> answers)
    {
        List<double> differences = [];
        double own = 0, negative = 0;
        int textTokens = 0;
        for (int index = 0; index < cases.Count; index++)
        {
            float?[] golden = cases[index].LogProbs;
            if (golden.Length != scores[index].Length)
            {
                throw new BenchException(
                    $"case {index} has {golden.Length} golden log-probs and {scores[index].Length} of ours");
            }
            for (int position = 0; position < golden.Length; position++)
            {
                if (golden[position] is not { } expected || scores[index][position] is not { } actual)
                    continue;
                differences.Add(Math.Abs(actual - expected));
                own += Math.Abs(actual - bf16[index][position]!.Value);
                negative -= cases[index].IsChat ? 0 : actual;
                textTokens += cases[index].IsChat ? 0 : 1;
            }
        }
        GoldenCase[] chats = [.. cases.Where(one => one.IsChat)];
        int[] same = [.. chats.Zip(
            answers, (chat, answer) => chat.Greedy.AsSpan().CommonPrefixLength(answer))];
        return new Int8PriceRow
        {
            Dtype = dtype, Isa = CpuIsaSupport.NameOf(CpuIsaSupport.Resolve(isa)),
            Positions = differences.Count, MeanDifference = differences.Average(),
            MaxDifference = differences.Max(), MeanDifferenceToBf16 = own / differences.Count,
            Perplexity = textTokens == 0 ? 0 : Math.Exp(negative / textTokens),
            Chats = chats.Length,
            SameChats = chats.Zip(same, (chat, tokens) => tokens == chat.Greedy.Length ? 1 : 0).Sum(),
            SameTokens = chats.Length == 0 ? 0 : (double)same.Sum() / chats.Sum(chat => chat.Greedy.Length),
        };
    }
}
