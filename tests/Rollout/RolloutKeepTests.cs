namespace PdEngine.Tests;

/// <summary>What a batch leaves for the next, and samples that end by what their environment says.</summary>
[TestFixture]
public sealed class RolloutKeepTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Test]
    public async Task A_group_that_had_finished_is_kept_with_the_rewards_it_got()
    {
        await using Engine engine = await RolloutTests.StartAsync("1P+1D");
        int rewardCount = 0;
        using RolloutSession session = new(engine.Models[0], RolloutTests.Game() with
        {
            SamplesPerPrompt = 2, OverSamplingGroups = 6, KeepsPartial = true,
            GroupReward = (group, _) =>
            {
                foreach (RolloutSample sample in group.Samples)
                    sample.Reward += 10;
                Interlocked.Increment(ref rewardCount);
                return ValueTask.CompletedTask;
            },
            Filter = _ => SpinWait.SpinUntil(() => Volatile.Read(ref rewardCount) >= 6, Patience),
        });
        using IEnumerator<RolloutPrompt> prompts = RolloutTests.Prompts(6).ToList().GetEnumerator();
        IReadOnlyList<RolloutGroup> first = await session.GenerateAsync(prompts, 1);
        IReadOnlyList<RolloutGroup> rest = await session.GenerateAsync(prompts, 5);
        Assert.That(first.Concat(rest).Select(group => group.Id).Order(), Is.EqualTo(Enumerable.Range(0, 6)));
        Assert.That(rewardCount, Is.EqualTo(6));
        foreach (RolloutGroup group in rest)
            Assert.That(group.Samples, Has.All.Property(nameof(RolloutSample.Reward)).EqualTo(11));
    }

    [Test]
    public async Task Groups_that_finished_before_one_failed_are_in_the_next_batch([Values] bool keepsPartial)
    {
        await using Engine engine = await RolloutTests.StartAsync("1P+1D");
        int rewardCount = 0;
        RolloutOptions game = RolloutTests.Game();
        using RolloutSession session = new(engine.Models[0], game with
        {
            KeepsPartial = keepsPartial,
            GroupReward = async (group, _) =>
            {
                if ((int)group.Prompt.Label! < 5)
                {
                    Interlocked.Increment(ref rewardCount);
                    return;
                }
                await UntilAsync(() => Volatile.Read(ref rewardCount) >= 5);
                throw new InvalidOperationException("the judge broke");
            },
        });
        using IEnumerator<RolloutPrompt> prompts = RolloutTests.Prompts(6).ToList().GetEnumerator();
        Assert.That(async () => await session.GenerateAsync(prompts, 6), Throws.InvalidOperationException);
        Assert.That(session.PartialGroupCount, Is.EqualTo(5));
        Assert.That(await session.GenerateAsync(prompts, 2), Has.Count.EqualTo(2));
        Assert.That(await session.GenerateAsync(prompts, 6), Has.Count.EqualTo(3));
        Assert.That(rewardCount, Is.EqualTo(5));
    }

    [Test]
    public async Task Nothing_of_a_cancelled_batch_is_lost_where_an_environment_or_a_reward_waited()
    {
        await using Engine engine = await RolloutTests.StartAsync("1P+1D");
        int rewardCount = 0, waitingCount = 0;
        RolloutOptions game = RolloutTests.Game();
        using CancellationTokenSource stop = new();
        using RolloutSession session = new(engine.Models[0], game with
        {
            KeepsPartial = true,
            GroupReward = async (group, cancellation) =>
            {
                if (group.Id == 4)
                    await WaitAsync(cancellation);
                Interlocked.Increment(ref rewardCount);
            },
            Environment = async (sample, cancellation) =>
            {
                if ((int)sample.Prompt.Label! == 5)
                    await WaitAsync(cancellation);
                return await game.Environment!(sample, cancellation);
            },
        });
        using IEnumerator<RolloutPrompt> prompts = RolloutTests.Prompts(6).ToList().GetEnumerator();
        Task<IReadOnlyList<RolloutGroup>> cut = session.GenerateAsync(prompts, 6, stop.Token);
        await UntilAsync(() => Volatile.Read(ref rewardCount) == 4 && Volatile.Read(ref waitingCount) == 2);
        await stop.CancelAsync();
        Assert.That(async () => await cut, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(session.PartialGroupCount, Is.EqualTo(6));
        IReadOnlyList<RolloutGroup> groups = await session.GenerateAsync(prompts, 6);
        Assert.That(rewardCount, Is.EqualTo(6));
        using RolloutSession whole = new(engine.Models[0], game);
        RolloutGroup[] expected =
            await Task.WhenAll(RolloutTests.Prompts(6).Select(prompt => whole.RunGroupAsync(prompt)));
        foreach (RolloutGroup group in groups)
        {
            RolloutSample sample = group.Samples[0];
            Assert.That(sample.Status, Is.EqualTo(RolloutStatus.Completed));
            Assert.That(sample.Tokens, Is.EqualTo(expected[group.Id].Samples[0].Tokens), $"group {group.Id}");
        }

        async Task WaitAsync(CancellationToken cancellation)
        {
            if (stop.IsCancellationRequested)
                return;
            Interlocked.Increment(ref waitingCount);
            await Task.Delay(Timeout.Infinite, cancellation);
        }
    }

    [Test]
    public async Task An_answer_that_cannot_be_taken_fails_its_sample_and_no_other()
    {
        await using Engine engine = await RolloutTests.StartAsync(null);
        EngineModel model = engine.Models[0];
        RolloutOptions game = RolloutTests.Game();
        using RolloutSession session = new(model, game with
        {
            Environment = (sample, cancellation) => (int)sample.Prompt.Label! switch
            {
                0 => ValueTask.FromResult(RolloutTurn.Continue([1, model.VocabularySize])),
                1 => ValueTask.FromResult(RolloutTurn.Continue([-1])),
                2 => ValueTask.FromResult(RolloutTurn.Continue([])),
                _ => game.Environment!(sample, cancellation),
            },
        });
        using IEnumerator<RolloutPrompt> prompts = RolloutTests.Prompts(5).ToList().GetEnumerator();
        IReadOnlyList<RolloutGroup> groups = await session.GenerateAsync(prompts, 5);
        foreach (RolloutGroup group in groups)
        {
            RolloutSample sample = group.Samples[0];
            bool fails = group.Id < 3;
            Assert.That(sample.Status, Is.EqualTo(fails ? RolloutStatus.Failed : RolloutStatus.Completed));
            Assert.That(sample.Error, fails ? Is.TypeOf<RolloutException>() : Is.Null);
            Assert.That(sample.Tokens, Has.All.InRange(0, model.VocabularySize - 1));
            sample.Validate();
        }
    }

    [TestCase(10, 8)]
    [TestCase(10, 4)]
    [TestCase(30, 50)]
    [TestCase(null, 1_000_000)]
    public async Task What_the_environment_says_stays_within_the_limits(int? most, int length)
    {
        await using Engine engine = await RolloutTests.StartAsync(null);
        EngineModel model = engine.Models[0];
        using RolloutSession session = new(model, RolloutTests.Game() with
        {
            MaxResponseTokens = most,
            Sampling = RolloutTests.Drawn with { StopTokenIds = [.. Enumerable.Range(0, 320)] },
            Environment = (_, _) => ValueTask.FromResult(
                RolloutTurn.Continue([.. Enumerable.Repeat(3, length)])),
        });
        RolloutSample sample = (await session.RunGroupAsync(RolloutTests.Prompts(1)[0])).Samples[0];
        Assert.That(sample.Status, Is.EqualTo(RolloutStatus.Truncated));
        Assert.That(sample.ResponseLength, Is.LessThanOrEqualTo(most ?? int.MaxValue));
        Assert.That(sample.Tokens, Has.Count.LessThanOrEqualTo(model.ContextTokens));
        Assert.That(sample.LossMask[^1], Is.EqualTo(1), "it ends with tokens that nothing follows");
        Assert.That(await session.ScoreAsync(sample), Is.EqualTo(sample.LogProbs));
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        using CancellationTokenSource late = new(Patience);
        while (!condition())
            await Task.Delay(1, late.Token);
    }
}
