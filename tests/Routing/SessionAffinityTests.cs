namespace PdEngine.Tests;

public sealed class SessionAffinityTests
{
    private static readonly RouterPolicy[] Affine =
    [
        RouterPolicy.CacheAware, RouterPolicy.RoundRobin, RouterPolicy.Random, RouterPolicy.PowerOfTwo,
            RouterPolicy.PrefixHash, RouterPolicy.Bucket,
    ];

    [Test]
    public void The_turns_of_a_session_go_to_one_worker([ValueSource(nameof(Affine))] RouterPolicy kind)
    {
        RouteRig rig = new(kind, 8);
        Random random = new(5);
        int[] first = [.. Enumerable.Range(0, 50).Select(i => FirstTurn(rig, i, random))];
        while (rig.RunningCount > 0)
            rig.FinishOne(random);
        Assert.That(first.Distinct().Count(), Is.GreaterThan(1));
        for (int turn = 0; turn < 3; turn++)
            Assert.That(Enumerable.Range(0, 50).Select(i => Turn(rig, i, random)), Is.EqualTo(first));
    }

    [Test]
    public void A_session_leaves_an_overloaded_worker_and_stays_where_it_went(
        [Values(RouterPolicy.CacheAware, RouterPolicy.Bucket)] RouterPolicy kind)
    {
        RouteRig rig = new(kind, 3);
        int home = rig.Route(session: "s");
        rig.Set(home, requests: 10);
        Assert.That(rig.Route(session: "s"), Is.EqualTo(home), "ten more than the least is no overload");
        rig.Set(home, requests: 11);
        int refuge = rig.Route(session: "s");
        Assert.That(refuge, Is.Not.EqualTo(home));
        rig.Set(home);
        rig.Set(refuge, requests: 5);
        Assert.That(rig.Route(session: "s"), Is.EqualTo(refuge));
    }

    [Test]
    public void The_load_of_others_does_not_drive_a_session_away()
    {
        RouteRig rig = new(RouterPolicy.CacheAware, 3);
        int home = rig.Route(session: "s");
        rig.Set((home + 1) % 3, requests: 1000);
        rig.Set(home, requests: 5);
        Assert.That(rig.Route(session: "s"), Is.EqualTo(home));
    }

    [Test]
    public void A_session_whose_worker_died_begins_anew_even_when_it_comes_back()
    {
        RouteRig rig = new(RouterPolicy.CacheAware, 3);
        int home = rig.Route(session: "s");
        rig.Kill(home);
        rig.Workers.Insert(home, new(home, 5, 0, 0));
        Assert.That(rig.Route(session: "s"), Is.Not.EqualTo(home), "its cache is gone");
    }

    [Test]
    public void A_worker_that_is_left_out_once_loses_the_session()
    {
        RouteRig rig = new(RouterPolicy.CacheAware, 2);
        Assert.That(rig.Route(session: "s"), Is.Zero);
        RouteCandidate home = rig.Workers[0];
        rig.Workers.RemoveAt(0);
        Assert.That(rig.Route(session: "s"), Is.EqualTo(1));
        rig.Workers.Insert(0, home);
        Assert.That(rig.Route(session: "s"), Is.EqualTo(1));
    }

    [Test]
    public void Manual_keeps_a_key_under_any_load_until_its_worker_dies()
    {
        RouteRig rig = new(RouterPolicy.Manual, 3);
        rig.Set(0, requests: 1);
        Assert.That(rig.Route("k"), Is.EqualTo(1));
        rig.Set(1, requests: 1_000_000);
        Assert.That(rig.Route("k"), Is.EqualTo(1));
        Assert.That(rig.Route(), Is.EqualTo(2), "without a key: the least loaded");
        rig.Kill(1);
        Assert.That(rig.Route("k"), Is.EqualTo(2));
    }

    [Test]
    public void Manual_forgets_a_key_after_four_idle_hours()
    {
        RouteRig rig = new(RouterPolicy.Manual, 2);
        Assert.That(rig.Route("k"), Is.Zero);
        rig.Set(0, requests: 1);
        for (int i = 0; i < 3; i++)
        {
            rig.Clock.Advance(StickyWorkers.IdleLimit - TimeSpan.FromSeconds(1));
            Assert.That(rig.Route("k"), Is.Zero, "each use begins the hours anew");
        }
        rig.Clock.Advance(StickyWorkers.IdleLimit);
        Assert.That(rig.Route("k"), Is.EqualTo(1));
    }

    [Test]
    public void What_is_remembered_is_bounded_and_drops_the_longest_unused()
    {
        StickyWorkers workers = new(new SteppedClock());
        for (int key = 0; key < StickyWorkers.MaxKeyCount; key++)
            workers.Set((ulong)key, key % 7);
        workers.Set(0, 5);
        for (int key = 0; key < 10; key++)
            workers.Set(ulong.MaxValue - (ulong)key, 1);
        Assert.That(workers.Count, Is.EqualTo(StickyWorkers.MaxKeyCount));
        Assert.That(workers.TryFind(0, out int worker) && worker == 5, "it was used again");
        Assert.That(workers.TryFind(10, out _), Is.False);
        Assert.That(workers.TryFind(11, out _));
    }

    [Test]
    public void Forgetting_a_worker_leaves_the_keys_of_others()
    {
        StickyWorkers workers = new(new SteppedClock());
        for (int key = 0; key < 100; key++)
            workers.Set((ulong)key, key % 4);
        workers.Forget(2);
        Assert.That(workers.Count, Is.EqualTo(75));
        Assert.That(workers.TryFind(2, out _), Is.False);
        Assert.That(workers.TryFind(3, out int worker) && worker == 3);
    }

    private static int FirstTurn(RouteRig rig, int session, Random random) =>
        rig.Start(session: $"session-{session}", prompt: RoutePolicyTests.RandomPrompt(random));

    private static int Turn(RouteRig rig, int session, Random random) =>
        rig.Route(session: $"session-{session}", prompt: RoutePolicyTests.RandomPrompt(random));
}
