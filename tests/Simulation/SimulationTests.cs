using System.Diagnostics;

namespace PdEngine.Tests;

public sealed class SimulationTests
{
    private const int SeedCount = 2500;

    /// <summary>Every planted bug must show within this many seeds.</summary>
    private const int CatchSeedCount = 150;

    [Test]
    public void Every_sequence_gets_what_it_would_have_got_alone_and_no_block_is_lost()
    {
        SimulationTally tally = new();
        for (int seed = 0; seed < SeedCount; seed++)
            RunSeed(seed, tally);
        TestContext.Out.WriteLine(tally);
        Assert.Multiple(() =>
        {
            Assert.That(tally.RetractionCount, Is.GreaterThan(500));
            Assert.That(tally.RetractedPrefillCount, Is.GreaterThan(10));
            Assert.That(tally.RetractedScoreCount, Is.GreaterThan(10));
            Assert.That(tally.FailureCount, Is.GreaterThan(100));
            Assert.That(tally.CachedTokenCount, Is.GreaterThan(1000));
            Assert.That(tally.RefusedCount, Is.GreaterThan(10));
            Assert.That(tally.QueueFullCount, Is.GreaterThan(100));
            Assert.That(tally.Aborts(SequencePhase.Queued), Is.GreaterThan(100));
            Assert.That(tally.Aborts(SequencePhase.Prefilling), Is.GreaterThan(100));
            Assert.That(tally.Aborts(SequencePhase.Decoding), Is.GreaterThan(100));
            Assert.That(tally.Aborts(SequencePhase.Finished), Is.GreaterThan(100));
            foreach (FinishReason reason in Enum.GetValues<FinishReason>())
                Assert.That(tally.Finishes(reason), Is.GreaterThan(100), $"{reason}");
        });
    }

    [Test]
    public void A_run_is_a_function_of_its_seed([Values(3, 17, 88)] int seed)
    {
        SimulationTally first = new(), second = new();
        RunSeed(seed, first);
        RunSeed(seed, second);
        Assert.That(second.ToString(), Is.EqualTo(first.ToString()));
    }

    [Test]
    public void A_planted_bug_is_caught([ValueSource(nameof(Bugs))] PlantedBug bug)
    {
        for (int seed = 0; seed < CatchSeedCount; seed++)
        {
            try
            {
                new Simulation(seed, new(), bug).Run();
            }
            catch (InvariantException caught)
            {
                TestContext.Out.WriteLine($"{bug}: seed {seed}, {caught.Message}");
                return;
            }
        }
        Assert.Fail($"{bug} was not caught in {CatchSeedCount} seeds");
    }

    [Test]
    public void A_share_of_the_soak_leaks_nothing() => Soak(stepCount: 30_000, firstSeed: 10_000);

    [Test]
    [Explicit("minutes")]
    [Category("Soak")]
    public void A_million_steps_with_random_aborts_leak_nothing() =>
        Soak(stepCount: 1_000_000, firstSeed: 20_000);

    private static PlantedBug[] Bugs() => [.. Enum.GetValues<PlantedBug>().Where(b => b != PlantedBug.None)];

    private static void RunSeed(int seed, SimulationTally tally)
    {
        try
        {
            new Simulation(seed, tally).Run();
        }
        catch (Exception failure)
        {
            Assert.Fail($"seed {seed}: {failure}");
        }
    }

    private static void Soak(long stepCount, int firstSeed)
    {
        SimulationTally tally = new();
        long start = Stopwatch.GetTimestamp();
        for (int seed = firstSeed; tally.StepCount < stepCount; seed++)
        {
            try
            {
                new Simulation(seed, tally).Soak(1_000);
            }
            catch (Exception failure)
            {
                Assert.Fail($"soak seed {seed}: {failure}");
            }
        }
        TestContext.Out.WriteLine($"{tally} in {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s");
    }
}
