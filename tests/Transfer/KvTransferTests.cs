namespace PdEngine.Tests;

/// <summary>Every byte of the copied heads and layers arrives, and no other byte changes.</summary>
public sealed unsafe class KvTransferTests
{
    private const int LayerCount = 3;
    private const int BlockCount = 5;

    private static readonly int[] Sizes = [1, 2, 4];

    [Test]
    public void Layers_of_blocks_arrive_whatever_the_shards(
        [Values] bool isReference, [Values(1, 2, 4, 8)] int kvHeads,
        [Values("0,3", "0,1", "1,2", "2,1")] string layers)
    {
        int[] range = [.. layers.Split(',').Select(int.Parse)];
        using IBackend backend = Open(isReference);
        KvLayout layout = KvLayout.GroupedQuery(LayerCount, 16, kvHeads, 8, backend.KvElement);
        foreach (int sourceSize in Sizes)
        {
            foreach (int targetSize in Sizes)
            {
                using KvMemory source = Devices(backend, layout, sourceSize);
                using KvMemory target = Devices(backend, layout, targetSize);
                Fill(source, 1);
                Fill(target, 101);
                KvTransfer transfer = new(source, target);
                long bytes = transfer.Copy([3, 1], [0, 4], range[0], range[1]);
                Assert.That(bytes, Is.EqualTo(2 * transfer.BlockBytes / LayerCount * range[1]));
                string what = $"{sourceSize} to {targetSize}";
                Check(target, 101, what, [(3, 0), (1, 4)], range[0], range[1], sourceSeed: 1);
                Check(source, 1, what, [], 0, 0, 0);
            }
        }
    }

    [Test]
    public void A_copy_inside_one_memory_is_a_fork([Values] bool isReference, [Values(1, 2, 4)] int size)
    {
        using IBackend backend = Open(isReference);
        KvLayout layout = KvLayout.GroupedQuery(LayerCount, 16, 2, 8, backend.KvElement);
        using KvMemory memory = Devices(backend, layout, size);
        Fill(memory, 7);
        KvTransfer fork = new(memory, memory);
        Assert.That(fork.Copy([2], [4], 0, LayerCount), Is.EqualTo(memory.BlockBytes));
        Check(memory, 7, "fork", [(2, 4)], 0, LayerCount, sourceSeed: 7);
        Assert.Throws<InvariantException>(() => fork.Copy([2], [2], 0, LayerCount));
    }

    [Test]
    public void Replicated_heads_come_from_the_first_that_has_them()
    {
        using ReferenceBackend backend = new(1);
        KvLayout layout = KvLayout.GroupedQuery(LayerCount, 16, 2, 8, backend.KvElement);
        using KvMemory source = Devices(backend, layout, 4);
        using KvMemory target = Devices(backend, layout, 1);
        Fill(source, 1);
        foreach (int copy in new[] { 1, 3 })
            Head(source.Shards[copy].Store, 0, 0, 0, 0).Fill(0xee);
        new KvTransfer(source, target).Copy([0], [0], 0, LayerCount);
        for (int head = 0; head < 2; head++)
        {
            Span<byte> arrived = Head(target.Shards[0].Store, 0, 0, 0, head);
            Assert.That(arrived.SequenceEqual(Head(source.Shards[2 * head].Store, 0, 0, 0, 0)));
        }
    }

    [Test]
    public void A_worker_s_ranks_share_a_host_store_or_have_their_own()
    {
        using ReferenceBackend backend = new(1);
        KvLayout layout = KvLayout.GroupedQuery(LayerCount, 16, 2, 8, backend.KvElement);
        using KvStore store = backend.CreateKvStore(layout, BlockCount);
        using KvMemory host = KvMemory.InHost(store, 4);
        using KvMemory devices = Devices(backend, layout, 4);
        int[] firstHeads = [.. Enumerable.Range(0, 4).Select(rank => host.Rank(rank).FirstHead)];
        Assert.That(firstHeads, Is.EqualTo(new[] { 0, 0, 1, 1 }));
        Assert.That(host.Shards, Has.Count.EqualTo(1));
        Assert.That(host.BlockBytes, Is.EqualTo(layout.BlockBytes));
        Assert.That(devices.BlockBytes, Is.EqualTo(2 * layout.BlockBytes), "each head twice");
        Assert.That(devices.Shards.Select(shard => shard.FirstHead), Is.EqualTo(firstHeads));
        Assert.That(devices.Rank(3), Is.EqualTo(new KvRankHeads(devices.Shards[3].Store, 0, 1)));
        Assert.That(devices.BlockCount, Is.EqualTo(BlockCount));
    }

    [Test]
    public void Memories_of_other_heads_or_pages_are_no_pair()
    {
        using ReferenceBackend backend = new(1);
        using KvMemory memory = Devices(backend, Layout(16, 2, 8), 1);
        foreach (KvLayout other in new[] { Layout(32, 2, 8), Layout(16, 4, 8), Layout(16, 2, 16) })
        {
            using KvMemory foreign = Devices(backend, other, 1);
            Assert.Throws<InvariantException>(() => _ = new KvTransfer(memory, foreign));
        }

        KvLayout Layout(int page, int heads, int width) =>
            KvLayout.GroupedQuery(LayerCount, page, heads, width, backend.KvElement);
    }

    private static IBackend Open(bool isReference) =>
        isReference ? new ReferenceBackend(1) : CpuTestBackend.Create(CpuIsa.Auto, threadCount: 1);

    private static KvMemory Devices(IBackend backend, KvLayout layout, int size) =>
        KvMemory.OnDevices([.. Enumerable.Repeat(backend, size)], layout, BlockCount);

    /// <summary>Each head of each block gets bytes of its own, the same in every copy of it.</summary>
    private static void Fill(KvMemory memory, int seed) =>
        Each(memory, (head, block, layer, plane, modelHead) =>
            new Random(Code(seed, block, layer, plane, modelHead)).NextBytes(head));

    private static void Check(
        KvMemory memory, int seed, string what, (int Source, int Target)[] copied, int firstLayer,
        int layerCount, int sourceSeed) =>
        Each(memory, (head, block, layer, plane, modelHead) =>
        {
            int from = Array.FindIndex(copied, pair => pair.Target == block);
            bool isCopy = from >= 0 && layer >= firstLayer && layer < firstLayer + layerCount;
            byte[] expected = new byte[head.Length];
            int code = isCopy
                ? Code(sourceSeed, copied[from].Source, layer, plane, modelHead)
                : Code(seed, block, layer, plane, modelHead);
            new Random(code).NextBytes(expected);
            string where = $"block {block}, layer {layer}, plane {plane}, head {modelHead}";
            Assert.That(head.SequenceEqual(expected), $"{what}: {where}");
        });

    private delegate void Visit(Span<byte> head, int block, int layer, int plane, int modelHead);

    private static void Each(KvMemory memory, Visit visit)
    {
        foreach (KvShard here in memory.Shards)
        {
            for (int block = 0; block < BlockCount; block++)
            {
                for (int layer = 0; layer < LayerCount; layer++)
                {
                    for (int plane = 0; plane < 2; plane++)
                    {
                        for (int head = 0; head < here.HeadCount; head++)
                            visit(
                                Head(here.Store, block, layer, plane, head), block, layer, plane,
                                here.FirstHead + head);
                    }
                }
            }
        }
    }

    private static Span<byte> Head(KvStore store, int block, int layer, int plane, int head)
    {
        int bytes = (int)store.Layout.HeadBytes(store.Layout.Planes[plane]);
        if (store is ReferenceKvStore reference)
        {
            reference.Require(block);
            return new(reference.Head(block, layer, plane, head), bytes);
        }
        byte* start = (byte*)((CpuKvStore)store).LayerAddress(layer) + (block * store.Layout.BlockBytes);
        return new(start + (((plane * store.Layout.HeadCount) + head) * bytes), bytes);
    }

    private static int Code(int seed, int block, int layer, int plane, int head) =>
        (((((((seed * 17) + block) * 17) + layer) * 17) + plane) * 17) + head;
}
