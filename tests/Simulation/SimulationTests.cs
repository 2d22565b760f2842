using System.Diagnostics;

namespace PdEngine.Tests;

public sealed class SimulationTests
{
    private const int SeedCount = 6000;

    /// <summary>Every planted bug must show within this many seeds.</summary>
    private const int CatchSeedCount = 1000;

    [Test]
    public void Every_sequence_gets_what_it_would_have_got_alone_and_no_block_is_lost([Values] bool runsAhead)
    {
        SimulationTally tally = new();
        for (int seed = 0; seed < SeedCount; seed++)
            RunSeed(seed, tally, runsAhead);
        TestContext.Out.WriteLine(tally);
        Assert.Multiple(() =>
        {
            AssertSequences(tally);
            AssertWorkers(tally, runsAhead);
        });
    }

    [Test]
    public void A_run_is_a_function_of_its_seed([Values(3, 17, 88)] int seed, [Values] bool runsAhead)
    {
        SimulationTally first = new(), second = new();
        RunSeed(seed, first, runsAhead);
        RunSeed(seed, second, runsAhead);
        Assert.That(second.ToString(), Is.EqualTo(first.ToString()));
    }

    [Test]
    public void A_planted_bug_is_caught([ValueSource(nameof(Bugs))] PlantedBug bug)
    {
        using OneThread thread = new();
        for (int seed = 0; seed < CatchSeedCount; seed++)
        {
            bool runsAhead = AheadBugPlanter.IsOfRunningAhead(bug) || seed % 2 == 1;
            try
            {
                new Simulation(seed, new(), runsAhead, bug).Run();
            }
            catch (Exception caught) when (caught is InvariantException or ArgumentException)
            {
                TestContext.Out.WriteLine($"{bug}: seed {seed}, runs ahead: {runsAhead}, {caught.Message}");
                return;
            }
        }
        Assert.Fail($"{bug} was not caught in {CatchSeedCount} seeds");
    }

    [Test]
    public void A_share_of_the_soak_leaks_nothing() => Soak(stepCount: 100_000, firstSeed: 10_000);

    [Test]
    [Explicit("minutes")]
    [Category("Soak")]
    public void A_million_steps_with_random_aborts_leak_nothing() =>
        Soak(stepCount: 1_000_000, firstSeed: 20_000);

    private static void AssertSequences(SimulationTally tally)
    {
        Assert.That(tally.RetractionCount, Is.GreaterThan(1000));
        Assert.That(tally.RetractedPrefillCount, Is.GreaterThan(10));
        Assert.That(tally.RetractedScoreCount, Is.GreaterThan(100));
        Assert.That(tally.FailureCount, Is.GreaterThan(1000));
        Assert.That(tally.CachedTokenCount, Is.GreaterThan(1000));
        Assert.That(tally.RefusedCount, Is.GreaterThan(10));
        Assert.That(tally.QueueFullCount, Is.GreaterThan(100));
        foreach (FinishReason reason in Enum.GetValues<FinishReason>())
            Assert.That(tally.Finishes(reason), Is.GreaterThan(100), $"{reason}");
        foreach (SequencePhase phase in Enum.GetValues<SequencePhase>())
            Assert.That(tally.Aborts(phase), Is.GreaterThan(100), $"aborted {phase}");
    }

    private static void AssertWorkers(SimulationTally tally, bool runsAhead)
    {
        Assert.That(tally.AheadCount, runsAhead ? Is.GreaterThan(10_000) : Is.Zero);
        Assert.That(tally.EarlyCopyCount, runsAhead ? Is.GreaterThan(1_000) : Is.Zero);
        for (SequencePhase phase = SequencePhase.Queued; phase < SequencePhase.Finished; phase++)
            Assert.That(tally.Kills(phase), Is.GreaterThan(500), $"killed {phase}");
        foreach (PauseMode mode in Enum.GetValues<PauseMode>())
        {
            for (SequencePhase phase = SequencePhase.Queued; phase < SequencePhase.Finished; phase++)
                Assert.That(tally.Pauses(mode, phase), Is.GreaterThan(300), $"{mode} of {phase}");
        }
        foreach (PdPath path in Enum.GetValues<PdPath>())
            Assert.That(tally.Paths(path), Is.GreaterThan(1000), $"{path}");
        string[] reasons =
        [
            PdReasons.Always, PdReasons.Never, PdReasons.Colocated, PdReasons.LongPrompt,
            PdReasons.ShortPrompt, PdReasons.PromptCached, PdReasons.DecodeWorkerIdle,
            PdReasons.NothingToDecode, PdReasons.NoPrefillWorker, PdReasons.NoDecodeWorker,
            PdReasons.DecodeWorkerFailed,
        ];
        foreach (string reason in reasons)
            Assert.That(tally.Reasons(reason), Is.GreaterThan(50), reason);
        foreach (RouterPolicy policy in Enum.GetValues<RouterPolicy>())
            Assert.That(tally.Runs(policy), Is.GreaterThan(100), $"{policy}");
        foreach (DisaggregateMode mode in Enum.GetValues<DisaggregateMode>())
            Assert.That(tally.Runs(mode), Is.GreaterThan(100), $"{mode}");
        foreach (Happening happening in Enum.GetValues<Happening>())
        {
            bool isLate = happening is Happening.StoppedLate or Happening.AbortedLate;
            Assert.That(
                tally.Happenings(happening), isLate && !runsAhead ? Is.Zero : Is.GreaterThan(50),
                $"{happening}");
        }
        Assert.That(tally.ForkCount, Is.GreaterThan(500));
        Assert.That(tally.RescuedCount, Is.GreaterThan(1000));
    }

    private static PlantedBug[] Bugs() => [.. Enum.GetValues<PlantedBug>().Where(b => b != PlantedBug.None)];

    private static void RunSeed(int seed, SimulationTally tally, bool runsAhead)
    {
        using OneThread thread = new();
        try
        {
            new Simulation(seed, tally, runsAhead).Run();
        }
        catch (Exception failure)
        {
            Assert.Fail($"seed {seed}, runs ahead: {runsAhead}: {failure}");
        }
    }

    private static void Soak(long stepCount, int firstSeed)
    {
        using OneThread thread = new();
        SimulationTally tally = new();
        long start = Stopwatch.GetTimestamp();
        for (int seed = firstSeed; tally.StepCount < stepCount; seed++)
        {
            bool runsAhead = seed % 2 == 1;
            try
            {
                new Simulation(seed, tally, runsAhead).Soak(1_000);
            }
            catch (Exception failure)
            {
                Assert.Fail($"soak seed {seed}, runs ahead: {runsAhead}: {failure}");
            }
        }
        foreach (PdPath path in Enum.GetValues<PdPath>())
            Assert.That(tally.Paths(path), Is.GreaterThan(100), $"{path}");
        Assert.That(tally.RetractionCount, Is.GreaterThan(100));
        TestContext.Out.WriteLine($"{tally} in {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s");
    }

    /// <summary>What is awaited goes on at once, on the test's thread: no context gets in between.</summary>
    private sealed class OneThread : IDisposable
    {
        private readonly SynchronizationContext? _before = SynchronizationContext.Current;

        public OneThread() => SynchronizationContext.SetSynchronizationContext(null);

        public void Dispose() => SynchronizationContext.SetSynchronizationContext(_before);
    }
}
