using System.Collections.Concurrent;

namespace PdEngine.Tests;

/// <summary>Rollouts over every kind of plan: nothing lost or miscounted, the same samples.</summary>
[TestFixture]
public sealed class RolloutTests
{
    private const int Turns = 4;

    internal static readonly SamplingParams Drawn = new() { MaxNewTokens = 6, IgnoreEos = true };

    [Test]
    public async Task Samples_of_one_seed_are_the_same_on_every_plan_and_score_the_same()
    {
        RolloutGroup[]? first = null;
        foreach (string? shape in (string?[])[null, "1P+1D", "1P+2D", "2R"])
        {
            await using Engine engine = await StartAsync(shape);
            using RolloutSession session = new(engine.Models[0], Game() with { SamplesPerPrompt = 3 });
            RolloutGroup[] groups = await Task.WhenAll(Prompts(6).Select(p => session.RunGroupAsync(p)));
            first ??= groups;
            for (int g = 0; g < groups.Length; g++)
            {
                for (int i = 0; i < 3; i++)
                {
                    RolloutSample sample = groups[g].Samples[i], same = first[g].Samples[i];
                    AssertWhole(sample);
                    Assert.That(sample.Tokens, Is.EqualTo(same.Tokens), $"{shape} {g}.{i}");
                    Assert.That(sample.LogProbs, Is.EqualTo(same.LogProbs), $"{shape} {g}.{i}");
                    Assert.That(await session.ScoreAsync(sample), Is.EqualTo(sample.LogProbs));
                }
            }
        }
    }

    [Test]
    public async Task A_turn_is_scored_by_its_own_penalties()
    {
        await using Engine engine = await StartAsync("1P+1D");
        RolloutOptions options = Game();
        using RolloutSession session = new(engine.Models[0], options with
        {
            Sampling = options.Sampling with
            {
                FrequencyPenalty = 0.7f, PresencePenalty = 0.3f, RepetitionPenalty = 1.2f, MinNewTokens = 2,
            },
        });
        foreach (RolloutPrompt prompt in Prompts(4))
        {
            RolloutSample sample = (await session.RunGroupAsync(prompt)).Samples[0];
            Assert.That(sample.Turns, Has.Count.EqualTo(Turns));
            Assert.That(await session.ScoreAsync(sample), Is.EqualTo(sample.LogProbs));
        }
    }

    [Test]
    public async Task Tokens_of_the_environment_are_taken_as_they_are_and_masked()
    {
        await using Engine engine = await StartAsync(null);
        using RolloutSession session = new(engine.Models[0], Game());
        RolloutSample sample = (await session.RunGroupAsync(Prompts(1)[0])).Samples[0];
        Assert.That(sample.Status, Is.EqualTo(RolloutStatus.Completed));
        Assert.That(sample.Reward, Is.EqualTo(1));
        for (int i = 0; i < sample.ResponseLength; i++)
        {
            int at = sample.PromptLength + i;
            bool isDrawn = sample.Turns.Any(turn => at >= turn.Start.Value && at < turn.End.Value);
            Assert.That(sample.LossMask[i], Is.EqualTo(isDrawn ? 1 : 0), $"token {i}");
            Assert.That(sample.LogProbs[i] == 0, Is.EqualTo(!isDrawn), $"token {i}");
        }
        for (int turn = 1; turn < Turns; turn++)
        {
            int end = sample.Turns[turn].Start.Value;
            Assert.That(sample.Tokens.Skip(end - 2).Take(2), Is.EqualTo(new[] { 3, turn }));
        }
    }

    [TestCase(null)]
    [TestCase("1P+2D")]
    public async Task An_aborted_sample_goes_on_as_if_it_had_not_been(string? shape)
    {
        SlowClock clock = new();
        clock.Release();
        await using Engine engine = await StartAsync(shape, clock);
        RolloutOptions options = Game() with
        {
            Sampling = Drawn with
            {
                MaxNewTokens = 200, FrequencyPenalty = 0.5f, MinNewTokens = 30,
                StopTokenIds = [.. Enumerable.Range(0, 20)],
            },
        };
        using RolloutSession session = new(engine.Models[0], options);
        RolloutSample whole = (await session.RunGroupAsync(Prompts(1)[0])).Samples[0];
        using RolloutSession again = new(engine.Models[0], options);
        RolloutSample sample = await AbortedAndResumedAsync(again, clock, aborts: 4);
        Assert.That(sample.Tokens, Is.EqualTo(whole.Tokens));
        Assert.That(sample.LogProbs, Is.EqualTo(whole.LogProbs));
        Assert.That(sample.LossMask, Is.EqualTo(whole.LossMask));
        Assert.That(sample.Reward, Is.EqualTo(whole.Reward));
    }

    private static async Task<RolloutSample> AbortedAndResumedAsync(
        RolloutSession session, SlowClock clock, int aborts)
    {
        clock.Slow();
        RolloutGroup group = session.NewGroup(Prompts(1)[0]);
        RolloutSample sample = group.Samples[0];
        for (int done = 0; done < aborts; done++)
        {
            int before = sample.Tokens.Count;
            using CancellationTokenSource stop = new();
            Task run = session.RunAsync(group, stop.Token);
            while (!run.IsCompleted && sample.Tokens.Count < before + 5)
                await Task.Yield();
            await stop.CancelAsync();
            await run;
            sample.Validate();
            Assert.That(sample.Status, Is.EqualTo(RolloutStatus.Aborted));
        }
        clock.Release();
        await session.RunAsync(group, CancellationToken.None);
        return sample;
    }

    [Test]
    public async Task A_batch_is_filled_by_over_sampling_and_the_rest_is_kept_for_the_next()
    {
        await using Engine engine = await StartAsync("1P+1D");
        int taken = 0, turnedDown = 0;
        using RolloutSession session = new(engine.Models[0], Game() with
        {
            SamplesPerPrompt = 2, OverSamplingGroups = 9, KeepsPartial = true, MasksOffPolicy = true,
            GroupReward = (group, _) =>
            {
                foreach (RolloutSample sample in group.Samples)
                    sample.Reward = group.Id % 3 == 0 ? 1 : sample.Index;
                return ValueTask.CompletedTask;
            },
            Filter = group =>
            {
                turnedDown += RolloutGroup.HasRewardSpread(group) ? 0 : 1;
                return RolloutGroup.HasRewardSpread(group);
            },
        });
        using IEnumerator<RolloutPrompt> prompts = Prompts(60).Select(p => { taken++; return p; })
            .GetEnumerator();
        HashSet<long> seen = [];
        for (int batch = 0; batch < 4; batch++)
        {
            IReadOnlyList<RolloutGroup> groups = await session.GenerateAsync(prompts, 4);
            Assert.That(groups, Has.Count.EqualTo(4));
            foreach (RolloutGroup group in groups)
            {
                Assert.That(group.Id % 3, Is.Not.Zero, "the filter turned it down");
                Assert.That(seen.Add(group.Id), $"group {group.Id} came twice");
                Assert.That(group.Samples, Has.All.Property(nameof(RolloutSample.Status))
                    .EqualTo(RolloutStatus.Completed));
                foreach (RolloutSample sample in group.Samples)
                    sample.Validate();
            }
        }
        Assert.That(session.PartialGroupCount, Is.EqualTo(taken - turnedDown - seen.Count));
    }

    [Test]
    public async Task Samples_wait_while_a_queue_is_full()
    {
        EngineOptions options = PdRig.Options("1P+2D", DisaggregateMode.Always, KvDomainKind.Host);
        await using Engine engine = await Engine.StartAsync(options with { MaxQueuedRequests = 1 });
        using RolloutSession session = new(engine.Models[0], Game() with { SamplesPerPrompt = 8 });
        RolloutGroup group = await session.RunGroupAsync(Prompts(1)[0]);
        Assert.That(group.Samples, Has.All.Property(nameof(RolloutSample.Status))
            .EqualTo(RolloutStatus.Completed));
    }

    [Test]
    public async Task Prompts_that_end_give_a_smaller_batch()
    {
        await using Engine engine = await StartAsync(null);
        using RolloutSession session = new(engine.Models[0], Game());
        using IEnumerator<RolloutPrompt> prompts = Prompts(3).ToList().GetEnumerator();
        Assert.That(await session.GenerateAsync(prompts, 5), Has.Count.EqualTo(3));
        Assert.That(await session.GenerateAsync(prompts, 5), Is.Empty);
    }

    [Test]
    public async Task Collection_beside_training_returns_every_prompt_once_and_waits_when_nobody_takes()
    {
        await using Engine engine = await StartAsync("1P+1D");
        int started = 0;
        using RolloutSession session = new(engine.Models[0], Game() with
        {
            MaxConcurrentSamples = 3, QueuedGroups = 2,
            Environment = (sample, _) =>
            {
                Interlocked.Add(ref started, sample.Turns.Count == 1 ? 1 : 0);
                return ValueTask.FromResult(RolloutTurn.End(0.5));
            },
        });
        using IEnumerator<RolloutPrompt> prompts = Prompts(30).ToList().GetEnumerator();
        await using RolloutCollector collector = session.Collect(prompts);
        RolloutGroup? one = await collector.TakeAsync();
        await Task.Delay(300);
        Assert.That(Volatile.Read(ref started), Is.LessThanOrEqualTo(1 + 2 + 3), "more than fit were made");
        List<long> taken = [one!.Id];
        while (await collector.TakeAsync() is { } group)
            taken.Add(group.Id);
        Assert.That(taken.Order(), Is.EqualTo(Enumerable.Range(0, 30)));
        Assert.That(collector.StaleGroupCount, Is.Zero);
    }

    [Test]
    public async Task A_collection_that_is_left_aborts_what_runs()
    {
        await using Engine engine = await StartAsync("1P+1D", new SlowClock());
        using RolloutSession session = new(
            engine.Models[0], Game() with { Sampling = Drawn with { MaxNewTokens = 400 } });
        using IEnumerator<RolloutPrompt> prompts = Prompts(8).ToList().GetEnumerator();
        RolloutCollector collector = session.Collect(prompts);
        await collector.DisposeAsync();
        await collector.DisposeAsync();
        Assert.That(engine.Models[0].LeakReport().LiveRequests, Is.Zero);
    }

    [Test]
    public async Task Evaluation_draws_with_its_own_parameters_and_apart_from_training()
    {
        await using Engine engine = await StartAsync(null);
        ConcurrentQueue<string> sessions = [];
        int rewardCount = 0;
        RolloutOptions options = Game();
        using RolloutSession session = new(engine.Models[0], options with
        {
            SamplesPerPrompt = 4,
            TurnEnded = (sample, _) => sessions.Enqueue(sample.SessionId!),
            GroupReward = (_, _) =>
            {
                rewardCount++;
                return ValueTask.CompletedTask;
            },
        });
        RolloutPrompt[] prompts = Prompts(3);
        SamplingParams greedy = options.Sampling with { Temperature = 0 };
        IReadOnlyList<RolloutSample> samples = await session.EvaluateAsync(prompts, greedy);
        Assert.That(samples, Has.Count.EqualTo(3));
        for (int i = 0; i < samples.Count; i++)
        {
            Generation first = await engine.GenerateAsync(
                new GenerateRequest { InputIds = prompts[i].InputIds, Sampling = greedy });
            int[] turn = [.. samples[i].Tokens.Take(samples[i].Turns[0])];
            Assert.That(turn, Is.EqualTo(first.OutputIds), $"prompt {i} is not played greedily");
        }
        Assert.That(rewardCount, Is.Zero);
        HashSet<string> evaluated = [.. sessions];
        sessions.Clear();
        RolloutGroup trained = await session.RunGroupAsync(prompts[0]);
        Assert.That(trained.Samples.Select(sample => sample.Tokens), Has.Some.Not.EqualTo(samples[0].Tokens));
        Assert.That(rewardCount, Is.EqualTo(1));
        Assert.That(evaluated.Overlaps(sessions), Is.False, "sessions of training and evaluation are shared");
    }

    [Test]
    public void Lists_of_other_lengths_are_refused()
    {
        RolloutSample sample = new(new RolloutPrompt(), [1, 2]);
        sample.AddDrawn([3, 4], [-1, -2]);
        Assert.That(sample.Validate, Throws.TypeOf<RolloutException>()
            .With.Message.Contains("2 response tokens").And.Message.Contains("0 weight versions"));
        Assert.That(() => sample.AddDrawn([5], []), Throws.TypeOf<RolloutException>());
        Assert.That(() => new RolloutSample(new RolloutPrompt(), []), Throws.TypeOf<RolloutException>());
    }

    [Test]
    public async Task Options_that_no_rollout_can_have_are_refused()
    {
        await using Engine engine = await StartAsync(null);
        EngineModel model = engine.Models[0];
        foreach (RolloutOptions wrong in (RolloutOptions[])
        [
            new() { SamplesPerPrompt = 0 }, new() { MaxTurns = 0 }, new() { MaxConcurrentSamples = 0 },
            new() { QueuedGroups = 0 }, new() { MaxStaleness = -1 },
            new() { Sampling = new() { MaxNewTokens = 0 } }, new() { FirstRolloutId = -1 },
            new() { MaxResponseTokens = 0 }, new() { MaxResponseTokens = -5 },
            new() { OverSamplingGroups = -3 },
            new() { SamplesPerPrompt = 2, Sampling = new() { Temperature = 0 } },
        ])
        {
            Assert.That(
                () => new RolloutSession(model, wrong), Throws.TypeOf<OptionsException>(), $"{wrong}");
        }
    }

    [Test]
    public async Task An_environment_that_throws_fails_its_sample_and_no_other_and_leaks_nothing()
    {
        await using Engine engine = await StartAsync("1P+1D");
        RolloutOptions game = Game();
        using RolloutSession session = new(engine.Models[0], game with
        {
            SamplesPerPrompt = 2,
            Environment = (sample, cancellation) => (int)sample.Prompt.Label! == 1 && sample.Index == 1
                ? throw new InvalidOperationException("the tool broke")
                : game.Environment!(sample, cancellation),
        });
        using IEnumerator<RolloutPrompt> prompts = Prompts(3).ToList().GetEnumerator();
        IReadOnlyList<RolloutGroup> groups = await session.GenerateAsync(prompts, 3);
        Assert.That(groups, Has.Count.EqualTo(3).And.All.Property(nameof(RolloutGroup.IsPartial)).False);
        foreach (RolloutSample sample in groups.SelectMany(group => group.Samples))
        {
            bool fails = (int)sample.Prompt.Label! == 1 && sample.Index == 1;
            Assert.That(sample.Status, Is.EqualTo(fails ? RolloutStatus.Failed : RolloutStatus.Completed));
            Assert.That(sample.Error, fails
                ? Is.TypeOf<RolloutException>().With.InnerException.Message.EqualTo("the tool broke")
                : Is.Null);
            sample.Validate();
        }
        Assert.That(engine.Models[0].LeakReport().LiveRequests, Is.Zero);
    }

    [Test]
    public async Task Sessions_of_one_model_have_session_ids_of_their_own()
    {
        await using Engine engine = await StartAsync(null);
        using RolloutSession first = new(engine.Models[0], Game()), second = new(engine.Models[0], Game());
        RolloutGroup[] groups =
        [
            await first.RunGroupAsync(Prompts(1)[0]), await second.RunGroupAsync(Prompts(1)[0]),
            await first.RunGroupAsync(Prompts(1)[0]),
        ];
        Assert.That(groups.SelectMany(group => group.Samples).Select(sample => sample.SessionId), Is.Unique);
        Assert.That(groups[1].Samples[0].Tokens, Is.EqualTo(groups[0].Samples[0].Tokens));
    }

    private static void AssertWhole(RolloutSample sample)
    {
        sample.Validate();
        Assert.That(sample.Turns, Has.Count.EqualTo(Turns));
        Assert.That(sample.FinishReason, Is.EqualTo(FinishReason.Length).Or.EqualTo(FinishReason.Stop));
        Assert.That(sample.WeightVersion, Is.EqualTo("default"));
        Assert.That(sample.PromptTokens, Is.GreaterThan(sample.PromptLength));
        Assert.That(sample.Timings.TotalNs, Is.GreaterThan(0));
        Assert.That(sample.HasMixedKv, Is.False);
    }

    /// <summary>A game of four turns: the environment says 3 and the turn's number.</summary>
    internal static RolloutOptions Game() => new()
    {
        Seed = 11, Sampling = Drawn with { StopTokenIds = [.. Enumerable.Range(0, 310)] },
        Environment = (sample, _) => ValueTask.FromResult(sample.Turns.Count == Turns
            ? RolloutTurn.End(1)
            : RolloutTurn.Continue([3, sample.Turns.Count])),
    };

    internal static RolloutPrompt[] Prompts(int count) =>
    [
        .. Enumerable.Range(0, count).Select(i => new RolloutPrompt
        {
            InputIds = Enumerable.Range(0, 20 + (i * 7)).Select(t => (t * 13 + i) % 250).ToArray(), Label = i,
        }),
    ];

    internal static Task<Engine> StartAsync(string? shape, TimeProvider? clock = null)
    {
        EngineOptions options = shape is null
            ? EngineRig.Options() with { PageSize = PdRig.Page }
            : PdRig.Options(shape, DisaggregateMode.Always, KvDomainKind.Host);
        return Engine.StartAsync(options with { Clock = clock ?? TimeProvider.System });
    }
}
