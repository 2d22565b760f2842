namespace PdEngine.Tests;

/// <summary>Rollouts and weights that change: what can be scored again, what counts for the loss.</summary>
[TestFixture]
public sealed class RolloutVersionTests
{
    private const int LongTurns = 40;

    [Test]
    public async Task A_sample_of_several_versions_is_scored_by_the_present_one_only_where_that_is_asked_for(
        [Values(PauseMode.Retract, PauseMode.InPlace)] PauseMode mode)
    {
        SlowClock clock = new();
        await using Engine engine = await Engine.StartAsync(
            UpdateRig.Options("reference") with { Clock = clock });
        EngineModel model = engine.Models[0];
        using RolloutSession session = new(model, new RolloutOptions
        {
            Seed = 5, Sampling = RolloutTests.Drawn with { MaxNewTokens = 400 },
        });
        RolloutGroup group = session.NewGroup(RolloutTests.Prompts(1)[0]);
        RolloutSample across = group.Samples[0];
        Task running = session.RunAsync(group, CancellationToken.None);
        while (!running.IsCompleted && across.Tokens.Count < across.PromptLength + 5)
            await Task.Yield();
        await UpdateAsync(model, 4, mode);
        clock.Release();
        await running;
        Assert.That(across.WeightVersions, Has.Count.EqualTo(2));
        Assert.That(across.HasMixedKv, Is.EqualTo(mode == PauseMode.InPlace));
        Assert.That(async () => await session.ScoreAsync(across),
            Throws.TypeOf<WeightVersionMismatchException>().With.Message.Contains("ScoreByPresentAsync"));
        Assert.That(async () => await session.ScoreAsync(across, "1"),
            Throws.TypeOf<WeightVersionMismatchException>());
        float[] present = await session.ScoreByPresentAsync(across);
        Assert.That(present, Has.Length.EqualTo(across.ResponseLength));
        Assert.That(present, Is.Not.EqualTo(across.LogProbs));
    }

    [Test]
    public async Task A_score_is_what_the_rollout_reported_or_there_is_none()
    {
        await using Engine engine = await Engine.StartAsync(UpdateRig.Options("reference"));
        EngineModel model = engine.Models[0];
        using RolloutSession session = new(model, RolloutTests.Game());
        RolloutSample old = (await session.RunGroupAsync(RolloutTests.Prompts(1)[0])).Samples[0];
        Assert.That(await session.ScoreAsync(old), Is.EqualTo(old.LogProbs));
        Assert.That(async () => await session.ScoreAsync(old, "7"),
            Throws.TypeOf<WeightVersionMismatchException>());
        await UpdateAsync(model, 4, PauseMode.Retract);
        RolloutSample next = (await session.RunGroupAsync(RolloutTests.Prompts(1)[0])).Samples[0];
        Assert.That(async () => await session.ScoreAsync(old), Throws.TypeOf<WeightVersionMismatchException>()
            .With.Message.Contains("is past"));
        Assert.That(await session.ScoreByPresentAsync(old), Is.Not.EqualTo(old.LogProbs));
        Assert.That(await session.ScoreAsync(next), Is.EqualTo(next.LogProbs));
        Assert.That(await session.ScoreAsync(next, "1"), Is.EqualTo(next.LogProbs));
    }

    [Test]
    public async Task A_version_that_has_not_come_is_not_called_past()
    {
        await using Engine engine = await Engine.StartAsync(UpdateRig.Options("reference"));
        Assert.That(
            async () => await engine.Models[0].ScoreAsync(new[] { 1, 2, 3 }, 1, new(), "7"),
            Throws.TypeOf<WeightVersionMismatchException>().With.Message.Contains("has not come"));
    }

    [Test]
    public async Task Only_what_older_weights_made_is_masked()
    {
        await using Engine engine = await Engine.StartAsync(UpdateRig.Options("reference"));
        EngineModel model = engine.Models[0];
        RolloutOptions game = RolloutTests.Game();
        using RolloutSession session = new(model, game with
        {
            OverSamplingGroups = 5, KeepsPartial = true, MasksOffPolicy = true,
            Environment = (sample, _) => ValueTask.FromResult(
                sample.Turns.Count == ((int)sample.Prompt.Label! == 0 ? 1 : LongTurns)
                    ? RolloutTurn.End(1)
                    : RolloutTurn.Continue([3, sample.Turns.Count])),
        });
        using IEnumerator<RolloutPrompt> prompts = RolloutTests.Prompts(5).ToList().GetEnumerator();
        Assert.That(await session.GenerateAsync(prompts, 1), Has.Count.EqualTo(1));
        Assert.That(session.PartialGroupCount, Is.EqualTo(4));
        IReadOnlyList<RolloutGroup> same = await session.GenerateAsync(prompts, 2);
        foreach (RolloutGroup group in same)
            Assert.That(MaskedCount(group.Samples[0], "default"), Is.Zero);
        await UpdateAsync(model, 4, PauseMode.Retract);
        IReadOnlyList<RolloutGroup> updated = await session.GenerateAsync(prompts, 2);
        Assert.That(updated, Has.Count.EqualTo(2));
        Assert.That(updated.Sum(group => MaskedCount(group.Samples[0], "1")), Is.GreaterThan(0));
    }

    /// <summary>Drawn tokens that count for no loss; all that are not of the version, no others.</summary>
    private static int MaskedCount(RolloutSample sample, string version)
    {
        string[] versions = [.. sample.WeightVersions.SelectMany(
            run => Enumerable.Repeat(run.Version, run.Tokens))];
        int masked = 0;
        foreach (Range turn in sample.Turns)
        {
            for (int i = turn.Start.Value; i < turn.End.Value; i++)
            {
                int at = i - sample.PromptLength;
                int expected = versions[at] == version ? 1 : 0;
                Assert.That(sample.LossMask[at], Is.EqualTo(expected), $"token {at}");
                masked += sample.LossMask[at] == 0 ? 1 : 0;
            }
        }
        return masked;
    }

    [TestCase("6", "06")]
    [TestCase("6", "6")]
    [TestCase("6", "5")]
    [TestCase("6", "-1")]
    [TestCase("6", "+7")]
    [TestCase("6", " 7")]
    [TestCase("6", "99999999999999999999")]
    [TestCase("6", "9223372036854775807")]
    public void A_number_that_is_not_next_is_refused_whatever_came_between(string used, string asked)
    {
        VersionHistory history = new("default");
        history.Add(history.Next(used, baseVersion: null));
        Assert.Throws<WeightUpdateException>(() => history.Next(asked, baseVersion: null));
        history.Add(history.Next("abc", baseVersion: null));
        Assert.Throws<WeightUpdateException>(() => history.Next(asked, baseVersion: null));
        Assert.That(history.HasReached("3"), "a version that will never come is waited for");
        Assert.That(history.Next(asked: null, baseVersion: "abc"), Is.EqualTo("7"));
        Assert.That(history.Next("7", baseVersion: null), Is.EqualTo("7"));
    }

    [Test]
    public async Task Values_that_no_enumeration_has_are_refused_and_change_nothing()
    {
        await using Engine engine = await Engine.StartAsync(UpdateRig.Options("reference"));
        EngineModel model = engine.Models[0];
        using WeightUpdate update = UpdateRig.Buckets(4), pointer = new();
        Assert.That(async () => await model.PauseAsync((PauseMode)9), Throws.TypeOf<OptionsException>());
        Assert.That(async () => await model.UpdateWeightsAsync(update, new() { Mode = (PauseMode)9 }),
            Throws.TypeOf<OptionsException>());
        foreach (LoanedMemory wrong in (LoanedMemory[])[LoanedMemory.None, (LoanedMemory)64, (LoanedMemory)5])
        {
            Assert.That(
                async () => await model.ReleaseMemoryAsync(wrong),
                Throws.TypeOf<OptionsException>(), $"{wrong}");
        }
        Assert.That(() => pointer.AddPointer("x", [1], (WeightElement)77, address: 64),
            Throws.TypeOf<WeightUpdateException>());
        Assert.That((model.IsPaused, model.WeightVersion), Is.EqualTo((false, "default")));
    }

    private static async Task UpdateAsync(EngineModel model, int seed, PauseMode mode)
    {
        using WeightUpdate update = UpdateRig.Buckets(seed);
        await model.UpdateWeightsAsync(update, new() { Mode = mode });
    }
}
