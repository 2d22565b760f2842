using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>pd_cpu_rotate_and_append against norm, RoPE and rounding by their definitions.</summary>
public sealed unsafe class AppendTests
{
    [Test]
    public void Queries_turn_and_keys_and_values_land_in_their_slots(
        [Values(AttentionIsa.Avx2, AttentionIsa.Avx512)] int isa,
        [Values(1, 16, 64, 128)] int pageSize,
        [Values(2, 20, 64, 80, 256)] int headDim,
        [Values] bool norms)
    {
        AttentionIsa.Require(isa);
        AttentionSetup setup = new(isa, 6, 2, headDim, pageSize, Threads: 2);
        using AppendRun run = new(setup, norms, seed: 3, (0, 0, 130), (1, 77, 1), (2, 60, 200));
        run.Append();
        run.CheckQueries();
        run.CheckStore();
    }

    [Test]
    public void A_range_of_a_store_s_heads_is_written_and_no_other(
        [Values(AttentionIsa.Avx2, AttentionIsa.Avx512)] int isa,
        [Values(16, 128)] int pageSize,
        [Values("0,2,3", "3,2,0", "1,1,2", "2,4,1")] string heads)
    {
        AttentionIsa.Require(isa);
        int[] counts = [.. heads.Split(',').Select(int.Parse)];
        AttentionSetup setup = new(isa, 4, counts[1], 64, pageSize, Threads: 2)
        {
            HeadsBefore = counts[0], HeadsAfter = counts[2],
        };
        using AppendRun run = new(setup, norms: true, seed: 8, (0, 0, 130), (1, 77, 1));
        run.Append();
        run.CheckQueries();
        run.CheckStore();
    }

    [Test]
    public void Batches_threads_and_sets_change_no_bit([Values] bool norms)
    {
        AttentionIsa.Require(AttentionIsa.Avx2);
        AttentionSetup setup = new(AttentionIsa.Avx2, 4, 2, 80, 64);
        using AppendRun whole = new(setup, norms, seed: 4, (0, 0, 300));
        whole.Append();
        using AppendRun parts = new(setup with { Threads = 3 }, norms, seed: 4, (0, 0, 300));
        for (int start = 0; start < 300; start += 43)
            parts.Append(start, Math.Min(43, 300 - start));
        Assert.That(parts.Store.Elements.SequenceEqual(whole.Store.Elements));
        Assert.That(parts.Rows.AsSpan().SequenceEqual(whole.Rows));
        AttentionIsa.Require(AttentionIsa.Avx512);
        using AppendRun wide = new(setup with { Isa = AttentionIsa.Avx512 }, norms, seed: 4, (0, 0, 300));
        wide.Append();
        Assert.That(wide.Store.Elements.SequenceEqual(whole.Store.Elements));
        Assert.That(wide.Rows.AsSpan().SequenceEqual(whole.Rows));
    }

    [Test]
    public void Values_round_to_nearest_even_and_keep_nan_and_infinity(
        [Values(AttentionIsa.Avx2, AttentionIsa.Avx512)] int isa)
    {
        AttentionIsa.Require(isa);
        AttentionSetup setup = new(isa, 1, 1, 16, 64);
        using AppendRun run = new(setup, norms: false, seed: 5, (0, 0, 1));
        uint[] bits =
        [
            0x3f808000, 0x3f818000, 0x3f808001, 0x3f817fff, 0x7f800000, 0xff800000, 0x7f800001, 0xffc12345,
            0x7f7fffff, 0x80000000, 0x00000000, 0x7fffffff, 0xbf808000, 0xbf818000, 0x3f80ffff, 0x42280000,
        ];
        ushort[] rounded =
        [
            0x3f80, 0x3f82, 0x3f81, 0x3f81, 0x7f80, 0xff80, 0x7fc0, 0xffc1,
            0x7f80, 0x8000, 0x0000, 0x7fff, 0xbf80, 0xbf82, 0x3f81, 0x4228,
        ];
        for (int i = 0; i < 16; i++)
            run.Rows[32 + i] = BitConverter.UInt32BitsToSingle(bits[i]);
        run.Append();
        for (int i = 0; i < 16; i++)
        {
            ushort actual = run.Store.Elements[(int)run.Store.IndexOf(0, 1, 0, 0, i)];
            Assert.That(actual, Is.EqualTo(rounded[i]), $"value 0x{bits[i]:x8}");
        }
    }

    [Test]
    public void Bad_arguments_are_refused_with_the_reason()
    {
        AttentionIsa.Require(AttentionIsa.Avx2);
        AttentionSetup setup = new(AttentionIsa.Avx2, 4, 2, 64, 64);
        Refused(setup, (ref AppendArgs a) => a.HeadDim = 63, "63");
        Refused(setup, (ref AppendArgs a) => a.HeadDim = 258, "258");
        Refused(setup, (ref AppendArgs a) => a.PageSize = 48, "48");
        Refused(setup, (ref AppendArgs a) => a.KvHeads = 3, "evenly");
        Refused(setup, (ref AppendArgs a) => a.FirstKvHead = 1, "from head 1 on, in a store of 2");
        Refused(setup, (ref AppendArgs a) => a.FirstKvHead = int.MinValue, "head -2147483648");
        Refused(setup, (ref AppendArgs a) => a.StoreKvHeads = 0, "store of 0");
        Refused(setup, (ref AppendArgs a) => a.Store = null, "null");
        Refused(setup, (ref AppendArgs a) => a.QkvStride -= 4, "stride");
        Refused(setup, (ref AppendArgs a) => a.RopeStride = 63, "stride");
        Refused(setup, (ref AppendArgs a) => a.BlockBytes = 1000, "1000");
        Refused(setup, (ref AppendArgs a) => a.TokenCount--, "slice 0");
        Refused(setup, (ref AppendArgs a) => a.Isa = 9, "9");
        Refused(setup, (ref AppendArgs a) => a.Team = 0, "team");
    }

    private static void Refused(AttentionSetup setup, AppendRun.Spoil spoil, string expected)
    {
        using AppendRun run = new(setup, norms: false, seed: 6, (0, 0, 5));
        NativeException error = Assert.Throws<NativeException>(() => run.Append(0, 5, spoil))!;
        Assert.That(error.Message, Does.Contain(expected));
        Assert.That(run.Store.Elements.IndexOfAnyExcept((ushort)0xffff), Is.EqualTo(-1), "wrote something");
    }
}
