namespace PdEngine.Tests;

public sealed class KvBlockPoolTests
{
    [Test]
    public void Every_block_is_given_out_once_and_then_none()
    {
        KvBlockPool pool = new(5, 16);
        HashSet<int> taken = [];
        while (pool.TryTake(out int block))
            Assert.That(taken.Add(block));
        Assert.That(taken, Has.Count.EqualTo(5));
        Assert.That(pool.FreeCount, Is.Zero);
    }

    [Test]
    public void A_block_is_free_when_its_last_holder_lets_go()
    {
        KvBlockPool pool = new(1, 16);
        pool.TryTake(out int block);
        pool.AddReference(block);
        pool.Release(block);
        Assert.That(pool.TryTake(out _), Is.False);
        pool.Release(block);
        Assert.That(pool.TryTake(out _), Is.True);
    }

    [Test]
    public void Releasing_a_free_block_is_refused()
    {
        KvBlockPool pool = new(2, 16);
        pool.TryTake(out int block);
        pool.Release(block);
        Assert.Throws<InvariantException>(() => pool.Release(block));
        Assert.Throws<InvariantException>(() => pool.AddReference(block));
    }

    [Test]
    public void A_page_size_that_is_no_power_of_two_up_to_256_is_refused([Values(0, 3, 512)] int pageSize) =>
        Assert.Throws<InvariantException>(() => _ = new KvBlockPool(4, pageSize));

    [Test]
    public void A_wrong_count_of_holders_is_found()
    {
        KvBlockPool pool = new(3, 16);
        pool.TryTake(out int block);
        int[] holders = new int[3];
        holders[block] = 1;
        pool.CheckConservation(holders);
        holders[block] = 2;
        Assert.Throws<InvariantException>(() => pool.CheckConservation(holders));
    }
}
