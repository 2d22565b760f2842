namespace PdEngine.Tests;

public sealed class KvSpaceTests
{
    private const int PageSize = 4;
    private KvHold _hold = null!;

    [SetUp]
    public void Make() => _hold = new();

    [Test]
    public void A_worker_takes_no_more_than_its_quota()
    {
        KvSpace space = new(new(16, PageSize), quotaBlocks: 5, usesCache: true);
        Assert.That(TryAdmit(space, _hold, blocks: 4), Is.True);
        Assert.That(TryAdmit(space, new(), blocks: 2), Is.False);
        Assert.That(space.TryReserve(_hold, 5 * PageSize), Is.True);
        Assert.That(space.TryReserve(_hold, 6 * PageSize), Is.False);
        Assert.That((space.ChargedBlocks, space.CapacityBlocks), Is.EqualTo((5, 5)));
        space.Release(_hold);
        Assert.That(space.ChargedBlocks, Is.Zero);
    }

    [Test]
    public void A_charge_moves_where_its_hold_is_adopted_and_quota_is_left()
    {
        KvDomain domain = new(16, PageSize);
        KvSpace prefill = new(domain, 8, usesCache: true), decode = new(domain, 5, usesCache: true);
        KvHold second = new();
        Assert.That(TryAdmit(prefill, _hold, 4) && TryAdmit(prefill, second, 4), Is.True);
        Assert.That(decode.TryAdopt(_hold), Is.True);
        Assert.That(decode.TryAdopt(second), Is.False);
        Assert.That((prefill.ChargedBlocks, decode.ChargedBlocks), Is.EqualTo((4, 4)));
        decode.Release(_hold);
        Assert.That(decode.TryAdopt(second), Is.True);
        Assert.That((prefill.ChargedBlocks, decode.ChargedBlocks), Is.EqualTo((0, 4)));
    }

    [Test]
    public void What_others_expect_to_take_is_left_for_them()
    {
        KvDomain domain = new(8, PageSize);
        KvSpace first = new(domain, null, usesCache: true), second = new(domain, null, usesCache: true);
        first.PublishExpected(6);
        Assert.That(TryAdmit(second, _hold, 3), Is.False);
        first.PublishExpected(5);
        Assert.That(TryAdmit(second, _hold, 3), Is.True);
    }

    [Test]
    public void Whoever_claims_gets_what_becomes_free()
    {
        KvDomain domain = new(4, PageSize);
        KvSpace first = new(domain, null, usesCache: false), second = new(domain, null, usesCache: false);
        KvHold other = new();
        Assert.That(TryAdmit(first, _hold, 2) && TryAdmit(second, other, 2), Is.True);
        Assert.That(first.TryReserve(_hold, 3 * PageSize), Is.False);
        Assert.That((first.TryClaim(), second.TryClaim()), Is.EqualTo((true, false)));
        second.Release(other);
        Assert.That(TryAdmit(second, other, 1), Is.False);
        Assert.That(first.TryReserve(_hold, 3 * PageSize), Is.True);
        first.LeaveTurn();
        second.LeaveTurn();
        Assert.That(TryAdmit(second, other, 1), Is.True);
    }

    [Test]
    public void A_worker_alone_in_its_domain_claims_nothing()
    {
        KvSpace space = new(new(4, PageSize), null, usesCache: false);
        Assert.That(space.TryClaim(), Is.False);
    }

    [Test]
    public void Those_that_had_to_wait_admit_in_turn()
    {
        KvDomain domain = new(4, PageSize);
        KvSpace first = new(domain, null, true), second = new(domain, null, true);
        KvSpace third = new(domain, null, true);
        Assert.That(TryAdmit(first, _hold, 4), Is.True);
        Assert.That(TryAdmit(second, new(), 2) || TryAdmit(third, new(), 1), Is.False);
        first.Release(_hold);
        domain.Cache.Flush();
        Assert.That(TryAdmit(third, new(), 1), Is.False, "it is the second's turn");
        Assert.That(TryAdmit(first, new(), 1), Is.False);
        Assert.That(TryAdmit(second, new(), 2), Is.True);
        Assert.That(TryAdmit(second, new(), 1), Is.False, "it is the third's turn");
        Assert.That(TryAdmit(third, new(), 1), Is.True);
    }

    [Test]
    public void One_that_waits_for_its_own_quota_keeps_nobody_waiting()
    {
        KvDomain domain = new(8, PageSize);
        KvSpace first = new(domain, 2, true), second = new(domain, null, true);
        Assert.That(TryAdmit(first, _hold, 2), Is.True);
        Assert.That(TryAdmit(first, new(), 1), Is.False);
        Assert.That(TryAdmit(second, new(), 4), Is.True);
    }

    [Test]
    public void A_worker_that_leaves_holds_nobody_up()
    {
        KvDomain domain = new(4, PageSize);
        KvSpace first = new(domain, null, true), second = new(domain, null, true);
        Assert.That(TryAdmit(second, _hold, 4), Is.True);
        Assert.That(TryAdmit(first, new(), 4), Is.False);
        first.PublishExpected(3);
        Assert.That(first.TryClaim(), Is.True);
        first.Leave();
        second.Release(_hold);
        domain.Cache.Flush();
        Assert.That(TryAdmit(second, new(), 4), Is.True);
        Assert.That((domain.ExpectedBlocks, domain.WorkerCount), Is.EqualTo((0L, 1)));
    }

    [Test]
    public void Lent_blocks_stay_what_they_are_until_the_hold_ends()
    {
        KvDomain domain = new(8, PageSize);
        KvSpace space = new(domain, null, usesCache: true);
        int[] tokens = WorkerRig.Tokens(2 * PageSize);
        KvHold same = new();
        Assert.That(TryAdmit(space, same, 2) && TryAdmit(space, _hold, 2), Is.True);
        space.Lend(_hold, 2);
        int[] lent = [.. _hold.Blocks.Blocks];
        space.Keep(same, tokens);
        space.Keep(_hold, tokens);
        Assert.That(_hold.Blocks[0], Is.EqualTo(same.Blocks[0]).And.Not.EqualTo(lent[0]));
        Assert.That(space.Read(_hold).ToArray(), Is.EqualTo(lent));
        domain.CheckConservation();
        space.Release(_hold);
        Assert.That(space.Read(_hold).IsEmpty, Is.True);
        space.Release(same);
        domain.CheckConservation();
    }

    [Test]
    public void Reading_a_block_that_has_become_anothers_is_a_bug()
    {
        KvDomain domain = new(8, PageSize);
        KvSpace space = new(domain, null, usesCache: true);
        Assert.That(TryAdmit(space, _hold, 1), Is.True);
        space.Lend(_hold, 1);
        int block = _hold.Blocks[0];
        domain.Pool.Release(block);
        domain.Pool.Release(block);
        Assert.Throws<InvariantException>(() => space.Read(_hold));
    }

    private static bool TryAdmit(KvSpace space, KvHold hold, int blocks)
    {
        int[] tokens = new int[blocks * PageSize];
        return space.TryAdmit(hold, tokens, maxCached: 0, tokens.Length, expectedBlocks: 0);
    }
}
