namespace PdEngine.Tests;

public sealed class BlockWritesTests
{
    private KvDomain _domain = null!;

    private KvBlockPool Pool => _domain.Pool;

    [SetUp]
    public void Make() => _domain = new(2, pageSize: 4);

    [Test]
    public void A_block_that_is_given_back_while_it_is_written_goes_to_nobody()
    {
        BlockWrites writes = new(_domain);
        int block = Take();
        writes.Begin([block]);
        Pool.Release(block);
        Assert.That((Pool.FreeCount, Pool.QuarantinedCount, Pool.UsedCount), Is.EqualTo((1, 1, 0)));
        Assert.That(Take(), Is.Not.EqualTo(block));
        Assert.That(Pool.TryTake(out _), Is.False);
        writes.End();
        Assert.That(Take(), Is.EqualTo(block));
        Assert.That(Pool.QuarantinedCount, Is.Zero);
    }

    [Test]
    public void Of_two_writers_the_last_one_frees_it()
    {
        BlockWrites first = new(_domain), second = new(_domain);
        int block = Take();
        first.Begin([block]);
        second.Begin([block]);
        Pool.Release(block);
        first.End();
        Assert.That(Pool.QuarantinedCount, Is.EqualTo(1));
        second.End();
        Assert.That(Pool.FreeCount, Is.EqualTo(2));
    }

    [Test]
    public void Every_use_of_a_block_has_a_generation_of_its_own()
    {
        int block = Take(), generation = Pool.Generation(block);
        Pool.Release(block);
        Assert.That(Take(), Is.EqualTo(block));
        Assert.That(Pool.Generation(block), Is.EqualTo(generation + 1));
        Pool.BeginWrite(block);
        Assert.Throws<InvariantException>(() => Pool.EndWrite(block, generation));
    }

    [Test]
    public void A_write_ends_once_and_begins_in_a_held_block()
    {
        int block = Take(), generation = Pool.BeginWrite(block);
        Pool.EndWrite(block, generation);
        Assert.Throws<InvariantException>(() => Pool.EndWrite(block, generation));
        Pool.Release(block);
        Assert.Throws<InvariantException>(() => Pool.BeginWrite(block));
    }

    private int Take()
    {
        bool taken = Pool.TryTake(out int block);
        Check.That(taken);
        return block;
    }
}
