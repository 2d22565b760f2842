using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>What is remembered for the page, and how much of it.</summary>
public sealed class LoadHistoryTests
{
    [Test]
    public void A_ring_of_requests_keeps_the_latest_and_counts_all()
    {
        EndedRequests ring = new(4, new HandClock());
        Assert.That(ring.After(0, 10), Is.Empty);
        for (int i = 1; i <= 10; i++)
            ring.Add(Ended(i, handoffBlocks: i % 2));
        Assert.That(Numbers(ring.After(0, 10)), Is.EqualTo(new[] { 7, 8, 9, 10 }));
        Assert.That(Numbers(ring.After(8, 10)), Is.EqualTo(new[] { 9, 10 }));
        Assert.That(Numbers(ring.After(0, 2)), Is.EqualTo(new[] { 9, 10 }));
        Assert.That(ring.After(10, 10), Is.Empty);
        Assert.That(Numbers(ring.After(99, 10)), Is.EqualTo(new[] { 7, 8, 9, 10 }), "of another server");
        Assert.That((ring.Totals.Requests, ring.Totals.Handoffs), Is.EqualTo((10, 5)));
        Assert.That(ring.After(0, 10).Select(one => one.Id.Value), Is.EqualTo(new[] { 7, 8, 9, 10 }));
    }

    [Test]
    public void Workers_add_while_the_page_reads()
    {
        EndedRequests ring = new(64, new HandClock());
        Parallel.For(0, 4, worker =>
        {
            for (int i = 0; i < 1000; i++)
            {
                ring.Add(Ended(i));
                long[] numbers = [.. ring.After(0, 64).Select(one => one.Number)];
                Assert.That(numbers.Zip(numbers.Skip(1)), Has.All.Matches<(long A, long B)>(
                    pair => pair.B == pair.A + 1));
            }
        });
        Assert.That(ring.Totals.Requests, Is.EqualTo(4000));
    }

    [Test]
    public void Samples_are_taken_by_looking_at_most_about_one_a_second_and_the_oldest_go()
    {
        HandClock clock = new();
        int taken = 0;
        LoadHistory history = new(() => Sample(clock, taken++), clock);
        Assert.That(taken, Is.Zero, "nobody looks");
        for (int i = 0; i < 5; i++)
            history.Look();
        Assert.That(taken, Is.EqualTo(1));
        for (int i = 1; i < LoadHistory.Capacity + 20; i++)
        {
            clock.Now += TimeSpan.FromSeconds(1);
            history.Look();
        }
        LoadSample[] samples = history.ToArray();
        Assert.That(samples, Has.Length.EqualTo(LoadHistory.Capacity));
        Assert.That(samples[0].Ended.Requests, Is.EqualTo(20));
        clock.Now -= TimeSpan.FromHours(1);
        history.Look();
        Assert.That(history.ToArray()[^1].TimeMs, Is.LessThan(samples[^1].TimeMs), "a clock set back");
    }

    [Test]
    public void A_window_ends_at_a_gap_and_at_its_length()
    {
        LoadRig.Load worker = new("regular-0", WorkerType.Regular, 0.5);
        LoadSample[] samples = LoadRig.Samples(0.1, worker);
        Assert.That(LoadWindow.Of(samples, 10)!.Seconds, Is.EqualTo(10));
        Assert.That(LoadWindow.Of(samples, 1000)!.Seconds, Is.EqualTo(30));
        Assert.That(LoadWindow.Of([.. samples[..10], .. samples[20..]], 1000)!.Seconds, Is.EqualTo(10));
        Assert.That(LoadWindow.Of(samples[..1], 10), Is.Null);
        Assert.That(LoadWindow.Of([samples[0], samples[20]], 1000), Is.Null);
    }

    [Test]
    public void Rates_are_those_of_the_counters_and_a_new_worker_starts_from_nothing()
    {
        LoadRig.Load worker = new("regular-0", WorkerType.Regular, 0.5)
        {
            OutputPerSecond = 40, Decoding = 4, RetractionsPerMinute = 60,
        };
        LoadSample[] samples = LoadRig.Samples(0.1, worker);
        LoadWindow window = LoadWindow.Of(samples, 1000)!;
        Assert.That(window.OutputTokensPerSecond, Is.EqualTo(40).Within(1e-9));
        Assert.That(window.RetractionsPerMinute, Is.EqualTo(60).Within(1e-9));
        Assert.That(window.InterTokenMs, Is.EqualTo(100).Within(1e-9));
        Assert.That(window.CachedPart, Is.EqualTo(0.5).Within(1e-9));
        Assert.That(window.BusyPart(samples[^1].View.Workers[0]), Is.EqualTo(0.5).Within(1e-9));
        Assert.That(window.BusyPart(WorkerType.Prefill), Is.Null);
        LoadSample anew = LoadRig.Sample(0, 0.1, worker) with { TimeMs = samples[^1].TimeMs + 1000 };
        LoadWindow restarted = LoadWindow.Of([.. samples, anew], 1000)!;
        Assert.That(restarted.OutputTokensPerSecond, Is.EqualTo(40 * 30 / 31.0).Within(1e-9));
        Assert.That(restarted.BusyPart(anew.View.Workers[0]), Is.Zero);
    }

    [Test]
    public void Quantiles_are_values_that_were_there()
    {
        Assert.That(Quantiles.Of([]), Is.EqualTo(default(Quantiles)));
        Assert.That(Quantiles.Of([null, 3]), Is.EqualTo(new Quantiles(3, 3)));
        Assert.That(Quantiles.Of(Enumerable.Range(1, 100).Select(i => (double?)i).Reverse()),
            Is.EqualTo(new Quantiles(50, 95)));
    }

    private static int[] Numbers(EndedRequest[] ended) => [.. ended.Select(one => (int)one.Number)];

    private static Generation Ended(int id, int handoffBlocks = 0) => new()
    {
        Id = new(id), PromptIds = new int[3], OutputIds = [1, 2], Text = "",
        FinishReason = FinishReason.Length, OutputLogProbs = [], InputLogProbs = [],
        HandoffBlocks = handoffBlocks,
    };

    private static LoadSample Sample(HandClock clock, int number) => LoadRig.Sample(0, 0) with
    {
        TimeMs = clock.Now.ToUnixTimeMilliseconds(), Ended = new() { Requests = number },
    };

    private sealed class HandClock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch.AddYears(50);

        public override DateTimeOffset GetUtcNow() => Now;
    }
}
