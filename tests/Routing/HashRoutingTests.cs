namespace PdEngine.Tests;

public sealed class HashRoutingTests
{
    private const int KeyCount = 4000;

    [Test]
    public void Keys_spread_over_the_ring([Values(2, 5, 16)] int workerCount)
    {
        RouteRig rig = new(RouterPolicy.ConsistentHashing, workerCount);
        Owners(rig);
        double even = (double)KeyCount / workerCount;
        foreach (int worker in Enumerable.Range(0, workerCount))
            Assert.That(rig.PickCounts[worker], Is.EqualTo(even).Within(even * 0.4), $"worker {worker}");
    }

    [Test]
    public void A_death_moves_only_the_dead_workers_keys([Values(0, 3, 7)] int dead)
    {
        RouteRig rig = new(RouterPolicy.ConsistentHashing, 8);
        int[] before = Owners(rig);
        rig.Kill(dead);
        int[] after = Owners(rig);
        for (int i = 0; i < KeyCount; i++)
        {
            if (before[i] == dead)
                Assert.That(after[i], Is.Not.EqualTo(dead));
            else
                Assert.That(after[i], Is.EqualTo(before[i]), $"key {i}");
        }
        rig.PickCounts.Clear();
        for (int i = 0; i < KeyCount; i++)
        {
            if (before[i] == dead)
                rig.Route($"key-{i}");
        }
        Assert.That(rig.PickCounts, Has.Count.EqualTo(7), "every other worker takes some of them");
    }

    [Test]
    public void A_new_worker_takes_its_share_and_moves_nothing_else()
    {
        RouteRig rig = new(RouterPolicy.ConsistentHashing, 8);
        int[] before = Owners(rig);
        rig.Workers.Add(new(20, 0, 0, 0));
        int[] after = Owners(rig);
        int[] moved = [.. Enumerable.Range(0, KeyCount).Where(i => before[i] != after[i])];
        Assert.That(moved.Select(i => after[i]), Is.All.EqualTo(20));
        Assert.That(moved, Has.Length.EqualTo(KeyCount / 9).Within(KeyCount / 9 / 2));
    }

    [Test]
    public void A_key_keeps_its_worker_under_any_load_and_seed()
    {
        RouteRig rig = new(RouterPolicy.ConsistentHashing, 4);
        RouteRig other = new(RouterPolicy.ConsistentHashing, 4, seed: 9);
        int owner = rig.Route("a");
        rig.Set(owner, requests: 1_000_000);
        Assert.That(rig.Route("a"), Is.EqualTo(owner));
        Assert.That(other.Route("a"), Is.EqualTo(owner));
    }

    [Test]
    public void The_routing_key_goes_before_the_session_and_an_empty_one_is_none()
    {
        RouteRig rig = new(RouterPolicy.ConsistentHashing, 64);
        int byKey = rig.Route(key: "a"), bySession = rig.Route(key: "b");
        Assert.That(byKey, Is.Not.EqualTo(bySession));
        Assert.That(rig.Route(key: "a", session: "b"), Is.EqualTo(byKey));
        Assert.That(rig.Route(session: "b"), Is.EqualTo(bySession));
        Assert.That(rig.Route(key: "", session: "b"), Is.EqualTo(bySession));
    }

    [Test]
    public void A_hash_is_the_same_in_every_process()
    {
        Assert.That(RouteHash.Of("session-1"), Is.EqualTo(12367033409490798227UL));
        Assert.That(RouteHash.Of([1, 2, 3]), Is.EqualTo(11487402342239354627UL));
    }

    [Test]
    public void Prompts_that_share_their_first_tokens_meet()
    {
        RouteRig rig = new(RouterPolicy.PrefixHash, 32);
        int[] prefix = [.. Enumerable.Range(0, PrefixHashPolicy.PrefixTokens)];
        int owner = rig.Route(prompt: prefix);
        for (int i = 0; i < 20; i++)
            Assert.That(rig.Route(prompt: [.. prefix, i, i + 1]), Is.EqualTo(owner));
        int[] others = [.. Enumerable.Range(0, 20).Select(i => rig.Route(prompt: [i, .. prefix]))];
        Assert.That(others.Distinct().Count(), Is.GreaterThan(5));
    }

    [Test]
    public void A_prefix_that_everybody_sends_loads_no_worker_by_more_than_a_quarter_above_the_mean()
    {
        RouteRig rig = new(RouterPolicy.PrefixHash, 5);
        for (int i = 1; i <= 1000; i++)
        {
            rig.Start();
            int max = rig.Workers.Max(w => w.RequestCount);
            Assert.That(max, Is.LessThanOrEqualTo(Math.Ceiling(1.25 * i / 5)), $"request {i}");
        }
        Assert.That(rig.Workers.Max(w => w.RequestCount), Is.EqualTo(250), "the owner is filled first");
    }

    private static int[] Owners(RouteRig rig) =>
        [.. Enumerable.Range(0, KeyCount).Select(i => rig.Route($"key-{i}"))];
}
