namespace PdEngine.Tests;

public sealed class RoutePolicyTests
{
    [Test]
    public void One_worker_takes_everything_whatever_its_load(
        [Values] RouterPolicy kind, [Values(0, 1, int.MaxValue)] int requests)
    {
        RouteRig rig = new(kind, 1);
        rig.Set(0, requests, long.MaxValue, cached: int.MaxValue);
        for (int i = 0; i < 100; i++)
            Assert.That(rig.Route(key: $"k{i % 7}", session: $"s{i % 5}", prompt: [i]), Is.Zero);
    }

    [Test]
    public void Huge_loads_overflow_nothing([Values] RouterPolicy kind)
    {
        RouteRig rig = new(kind, 3);
        for (int worker = 0; worker < 3; worker++)
            rig.Set(worker, int.MaxValue, long.MaxValue, int.MaxValue);
        for (int i = 0; i < 100; i++)
            Assert.That(rig.Route(i % 2 == 0 ? null : $"k{i}", session: $"s{i}"), Is.InRange(0, 2));
    }

    [Test]
    public void The_same_seed_picks_the_same_workers([Values] RouterPolicy kind)
    {
        List<int> first = Picks(kind, seed: 7), second = Picks(kind, seed: 7);
        Assert.That(second, Is.EqualTo(first));
    }

    [Test]
    public void Another_seed_draws_other_workers(
        [Values(RouterPolicy.Random, RouterPolicy.PowerOfTwo, RouterPolicy.ConsistentHashing)]
        RouterPolicy kind)
    {
        Assert.That(Picks(kind, seed: 7), Is.Not.EqualTo(Picks(kind, seed: 8)));
    }

    [Test]
    public void Requests_without_keys_spread_over_the_workers(
        [Values(RouterPolicy.CacheAware, RouterPolicy.RoundRobin, RouterPolicy.Random,
            RouterPolicy.PowerOfTwo, RouterPolicy.ConsistentHashing, RouterPolicy.PrefixHash,
            RouterPolicy.Manual)] RouterPolicy kind,
        [Values(2, 3, 8)] int workerCount, [Values(1, 2)] int seed)
    {
        RouteRig rig = new(kind, workerCount, (ulong)seed);
        Random random = new(seed);
        for (int i = 0; i < 4000; i++)
        {
            rig.Start(prompt: RandomPrompt(random));
            while (rig.RunningCount > 16 * workerCount)
                rig.FinishOne(random);
        }
        int even = 4000 / workerCount;
        for (int worker = 0; worker < workerCount; worker++)
        {
            int count = rig.PickCounts.GetValueOrDefault(worker);
            Assert.That(count, Is.EqualTo(even).Within(even / 3), $"worker {worker}, seed {seed}");
        }
    }

    [Test]
    public void Policies_that_look_at_loads_keep_them_close(
        [Values(RouterPolicy.CacheAware, RouterPolicy.PowerOfTwo, RouterPolicy.PrefixHash,
            RouterPolicy.Manual)] RouterPolicy kind,
        [Values(1, 2, 3)] int seed)
    {
        RouteRig rig = new(kind, 4, (ulong)seed);
        Random random = new(seed);
        for (int i = 0; i < 4000; i++)
        {
            rig.Start(prompt: RandomPrompt(random));
            while (rig.RunningCount > 200)
                rig.FinishOne(random);
            Assert.That(rig.Workers.Max(w => w.RequestCount),
                Is.LessThanOrEqualTo((rig.RunningCount / 4 * 1.25) + 10), $"seed {seed}, request {i}");
        }
    }

    [Test]
    public void A_dead_worker_gets_nothing_more_and_the_rest_share_its_part([Values] RouterPolicy kind)
    {
        RouteRig rig = new(kind, 4);
        Random random = new(3);
        for (int i = 0; i < 200; i++)
            rig.Start($"k{i % 50}", $"s{i % 50}", RandomPrompt(random));
        rig.Kill(1);
        rig.PickCounts.Clear();
        for (int i = 0; i < 1000; i++)
        {
            rig.Start($"k{i % 50}", $"s{i % 50}", RandomPrompt(random));
            rig.FinishOne(random);
        }
        Assert.That(rig.PickCounts.Keys, Is.EquivalentTo((int[])[0, 2, 3]));
    }

    [Test]
    public void Round_robin_skips_and_repeats_nobody_when_one_dies()
    {
        RouteRig rig = new(RouterPolicy.RoundRobin, 4);
        int[] before = [rig.Route(), rig.Route()];
        rig.Kill(0);
        int[] after = [rig.Route(), rig.Route(), rig.Route(), rig.Route()];
        Assert.That(before, Is.EqualTo((int[])[0, 1]));
        Assert.That(after, Is.EqualTo((int[])[2, 3, 1, 2]));
    }

    [Test]
    public void Power_of_two_never_takes_the_worst_and_meets_every_pair()
    {
        RouteRig rig = new(RouterPolicy.PowerOfTwo, 4);
        for (int worker = 0; worker < 4; worker++)
            rig.Set(worker, requests: worker);
        for (int i = 0; i < 6000; i++)
            rig.Route();
        Assert.That(rig.PickCounts.Keys, Is.EquivalentTo((int[])[0, 1, 2]));
        Assert.That(rig.PickCounts[0], Is.EqualTo(3000).Within(200), "in three of the six pairs");
        Assert.That(rig.PickCounts[2], Is.EqualTo(1000).Within(150), "in one pair");
    }

    [Test]
    public void Picking_with_no_worker_is_a_bug([Values] RouterPolicy kind)
    {
        RoutePolicy policy = RoutePolicy.Create(kind, 1, new SteppedClock());
        Assert.Throws<InvariantException>(() => policy.Pick(new RouteKey(new[] { 1 }, null, null, 1), []));
    }

    internal static int[] RandomPrompt(Random random)
    {
        int[] prompt = new int[random.Next(1, 600)];
        for (int i = 0; i < prompt.Length; i++)
            prompt[i] = random.Next(50_000);
        return prompt;
    }

    private static List<int> Picks(RouterPolicy kind, ulong seed)
    {
        RouteRig rig = new(kind, 5, seed);
        Random random = new(11);
        List<int> picks = [];
        for (int i = 0; i < 500; i++)
        {
            string? key = i % 3 == 0 ? $"k{random.Next(20)}" : null;
            string? session = i % 4 == 0 ? $"s{random.Next(20)}" : null;
            picks.Add(rig.Start(key, session, RandomPrompt(random)));
            if (random.Next(2) == 0)
                rig.FinishOne(random);
        }
        return picks;
    }
}
