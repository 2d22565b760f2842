namespace PdEngine.Tests;

public sealed class RankBarrierTests
{
    [Test]
    public void What_each_wrote_before_is_seen_by_all_after([Values(2, 3, 5)] int ranks)
    {
        const int rounds = 3000;
        RankBarrier barrier = new(ranks);
        int[] written = new int[ranks];
        int faults = 0;
        Run(ranks, rank =>
        {
            for (int round = 1; round <= rounds; round++)
            {
                written[rank] = round;
                barrier.Meet();
                if (written.Any(value => value != round))
                    Interlocked.Increment(ref faults);
                // Long enough at times that the others go to sleep.
                if (round % 500 == rank)
                    Thread.Sleep(2);
                barrier.Meet();
            }
        });
        Assert.That(faults, Is.Zero);
    }

    [Test]
    public void Nobody_waits_for_a_rank_that_broke_it([Values(2, 4)] int ranks)
    {
        Random random = new(41);
        RankBarrier barrier = new(ranks);
        for (int round = 0; round < 300; round++)
        {
            int breaker = random.Next(ranks), meetings = random.Next(4), sent = 0;
            Run(ranks, rank =>
            {
                try
                {
                    for (int meeting = 0; rank != breaker || meeting < meetings; meeting++)
                        barrier.Meet();
                    barrier.Break();
                }
                catch (BackendException)
                {
                    Interlocked.Increment(ref sent);
                }
            });
            Assert.That(sent, Is.EqualTo(ranks - 1), $"seed 41, round {round}");
            barrier.Mend();
        }
    }

    private static void Run(int ranks, Action<int> body)
    {
        Thread[] threads = [.. Enumerable.Range(0, ranks).Select(rank => new Thread(() => body(rank)))];
        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            Assert.That(thread.Join(60_000), "a rank is still waiting");
    }
}
