namespace PdEngine.Tests;

/// <summary>What log-probs are reported, and that scoring gives the very bits of generating.</summary>
public sealed class EngineLogProbTests
{
    private Engine _engine = null!;

    [OneTimeSetUp]
    public async Task Start() => _engine = await Engine.StartAsync(
        EngineRig.Options() with { PageSize = 16, ChunkedPrefillSize = 32 });

    [OneTimeTearDown]
    public async Task Stop() => await _engine.DisposeAsync();

    [Test]
    public async Task Scoring_a_rollout_gives_the_bits_that_generating_it_reported([Range(1, 24)] int seed)
    {
        Random random = new(seed);
        int[] prompt = EngineRig.Ids(random, random.Next(1, 80));
        SamplingParams sampling = EngineRig.Sampling(random) with
        {
            SamplingSeed = (ulong)seed, LogProbMode = (LogProbMode)random.Next(3),
        };
        sampling = sampling with { MinNewTokens = random.Next(sampling.MaxNewTokens + 1) };
        Generation made = await _engine.GenerateAsync(
            new GenerateRequest { InputIds = prompt, Sampling = sampling, ReturnLogProb = true });
        Assert.That(made.OutputLogProbs, Has.Count.EqualTo(made.OutputIds.Count));
        int[] rollout = [.. prompt, .. made.OutputIds];
        ScoredTokens scored = await _engine.ScoreAsync(rollout, prompt.Length, sampling);
        Assert.That(scored, Has.Count.EqualTo(rollout.Length));
        Assert.That(scored[0].LogProb, Is.Null);
        EngineRig.AssertSameBits(made.OutputLogProbs, [.. scored.Skip(prompt.Length)], $"seed {seed}");
    }

    [TestCase(-1, 1)]
    [TestCase(5, 1)]
    [TestCase(4, 2)]
    [TestCase(0, 6)]
    public async Task Input_log_probs_start_where_asked_with_a_null(int start, int count)
    {
        int[] prompt = [9, 8, 7, 6, 5, 4];
        GenerateRequest request = new()
        {
            InputIds = prompt, ReturnLogProb = true, LogProbStartLen = start, TopLogProbsNum = 2,
            Sampling = new SamplingParams { MaxNewTokens = 2 },
        };
        Generation answer = await _engine.GenerateAsync(request);
        Assert.That(answer.InputLogProbs.Select(entry => entry.TokenId), Is.EqualTo(prompt[^count..]));
        Assert.That(answer.InputLogProbs[0].LogProb, Is.Null);
        Assert.That(answer.InputLogProbs[0].Top, Is.Empty);
        Assert.That(
            answer.InputLogProbs.Skip(1).All(entry => entry.LogProb < 0 && entry.Top.Count == 2), Is.True);
        IReadOnlyList<TokenLogProb> scored =
            await _engine.ScoreAsync(prompt, prompt.Length, new SamplingParams());
        Assert.That(answer.InputLogProbs.Skip(1).Select(entry => entry.LogProb),
            Is.EqualTo(scored.Skip(prompt.Length - count + 1).Select(entry => entry.LogProb)));
    }

    [Test]
    public async Task Log_probs_come_only_where_asked_for()
    {
        Generation answer = await _engine.GenerateAsync(new GenerateRequest
        {
            InputIds = new[] { 1, 2, 3 }, LogProbStartLen = 0, TopLogProbsNum = 3,
        });
        Assert.That(answer.OutputLogProbs, Is.Empty);
        Assert.That(answer.InputLogProbs, Is.Empty);
    }

    [Test]
    public async Task No_new_tokens_score_the_prompt_and_end_by_length()
    {
        Generation answer = await _engine.GenerateAsync(new GenerateRequest
        {
            InputIds = new[] { 3, 4, 5 }, ReturnLogProb = true, LogProbStartLen = 0,
            Sampling = new SamplingParams { MaxNewTokens = 0 },
        });
        Assert.That(answer.FinishReason, Is.EqualTo(FinishReason.Length));
        Assert.That(answer.OutputIds, Is.Empty);
        Assert.That(answer.Text, Is.Empty);
        Assert.That(answer.TimeToFirstToken, Is.Null);
        Assert.That(answer.InputLogProbs, Has.Count.EqualTo(3));
    }

    [Test]
    public async Task Top_log_probs_descend_and_start_with_the_greedy_token()
    {
        Generation answer = await _engine.GenerateAsync(new GenerateRequest
        {
            InputIds = new[] { 3, 4, 5 }, ReturnLogProb = true, TopLogProbsNum = RequestIntake.MaxTopLogProbs,
            Sampling = new SamplingParams { MaxNewTokens = 5, Temperature = 0, IgnoreEos = true },
        });
        foreach (TokenLogProb entry in answer.OutputLogProbs)
        {
            Assert.That(entry.Top, Has.Count.EqualTo(RequestIntake.MaxTopLogProbs));
            Assert.That(entry.Top.Select(top => top.LogProb), Is.Ordered.Descending);
            Assert.That(entry.Top[0], Is.EqualTo(new TopLogProb(entry.TokenId, entry.LogProb!.Value)));
        }
    }

    [Test]
    public async Task A_stream_shows_the_log_probs_and_text_of_the_result()
    {
        TokenStream stream = _engine.Stream(new GenerateRequest
        {
            Text = "stream", ReturnLogProb = true,
            Sampling = new SamplingParams { MaxNewTokens = 50, IgnoreEos = true },
        });
        List<int> ids = [];
        List<float> logProbs = [];
        string text = "";
        await foreach (TokenChunk chunk in stream)
        {
            ids.AddRange(chunk.TokenIds);
            logProbs.AddRange(chunk.LogProbs);
            text += chunk.Text;
        }
        Generation answer = await stream.Completion;
        Assert.That(ids, Is.EqualTo(answer.OutputIds));
        Assert.That(logProbs, Is.EqualTo(answer.OutputLogProbs.Select(entry => entry.LogProb!.Value)));
        Assert.That(text, Is.EqualTo(answer.Text));
        Assert.That(text, Is.EqualTo(_engine.Tokenizer!.Decode([.. ids], skipSpecialTokens: true)));
    }

    [Test]
    [Category("Goldens")]
    public async Task SmolLM2_scores_its_own_rollout_to_the_bit()
    {
        await using Engine engine = await Engine.StartAsync(
            new EngineOptions { ModelPath = TestFiles.SmolLm2(), MaxTotalTokens = 2048 });
        SamplingParams sampling = new() { MaxNewTokens = 12, Temperature = 0.8f, RepetitionPenalty = 1.1f };
        Generation made = await engine.GenerateAsync(
            new GenerateRequest { Text = "The capital of France is", Sampling = sampling,
                ReturnLogProb = true });
        int[] rollout = [.. made.PromptIds.Span, .. made.OutputIds];
        IReadOnlyList<TokenLogProb> scored =
            await engine.ScoreAsync(rollout, made.PromptIds.Length, sampling);
        EngineRig.AssertSameBits(made.OutputLogProbs, [.. scored.Skip(made.PromptIds.Length)], "SmolLM2");
    }
}
