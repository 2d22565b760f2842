using System.Runtime.CompilerServices;
using System.Text;
using PdEngine.Interop;

namespace PdEngine.Tests;

public sealed class AbiTests
{
    private static readonly (string Name, int Bytes)[] Mirrors =
    [
        ("pd_core_run", Unsafe.SizeOf<CoreRun>()),
        ("pd_crew_args", Unsafe.SizeOf<CrewArgs>()),
        ("pd_pack_args", Unsafe.SizeOf<PackArgs>()),
        ("pd_unpack_args", Unsafe.SizeOf<UnpackArgs>()),
        ("pd_matmul_args", Unsafe.SizeOf<MatMulArgs>()),
        ("pd_embed_args", Unsafe.SizeOf<EmbedArgs>()),
        ("pd_pack_int8_args", Unsafe.SizeOf<PackInt8Args>()),
        ("pd_embed_int8_args", Unsafe.SizeOf<EmbedInt8Args>()),
        ("pd_rms_norm_args", Unsafe.SizeOf<RmsNormArgs>()),
        ("pd_swiglu_args", Unsafe.SizeOf<SwiGluArgs>()),
        ("pd_sum_args", Unsafe.SizeOf<SumArgs>()),
        ("pd_slice", Unsafe.SizeOf<AttentionSlice>()),
        ("pd_append_args", Unsafe.SizeOf<AppendArgs>()),
        ("pd_attend_args", Unsafe.SizeOf<AttendArgs>()),
        ("pd_sample_row", Unsafe.SizeOf<SampleRow>()),
        ("pd_token_logprob", Unsafe.SizeOf<SampleResult>()),
        ("pd_token_logprob", Unsafe.SizeOf<TopLogProb>()),
        ("pd_sample_args", Unsafe.SizeOf<SampleArgs>()),
        ("pd_sgemm_args", Unsafe.SizeOf<SgemmArgs>()),
    ];

    [Test]
    public void Managed_structs_have_the_size_of_the_native_ones(
        [ValueSource(nameof(Mirrors))] (string Name, int Bytes) mirror)
    {
        Assert.That(NativeSize(mirror.Name), Is.EqualTo(mirror.Bytes));
    }

    [Test]
    public void Every_struct_of_the_header_has_a_mirror_here()
    {
        string header = File.ReadAllText(Path.Combine(TestFiles.Root, "kernels", "include", "pd_cpu.h"));
        foreach (string line in header.Split('\n'))
        {
            if (line.StartsWith("} pd_", StringComparison.Ordinal))
                Assert.That(Mirrors.Any(mirror => mirror.Name == line[2..line.IndexOf(';')]), line);
        }
    }

    [Test]
    public void An_unknown_struct_has_no_size() => Assert.That(NativeSize("pd_nothing"), Is.EqualTo(-1));

    [Test]
    public void A_refused_call_says_why()
    {
        NativeException error = Assert.Throws<NativeException>(() => CpuMemory.Map(-5))!;
        Assert.That(error.Message, Does.Contain("-5 bytes").And.Contain("pd_cpu_map"));
    }

    [Test]
    public unsafe void Mapped_memory_is_zeroed_and_aligned_to_huge_pages()
    {
        using CpuMemory memory = CpuMemory.Map(5_000_000);
        Assert.That(memory.Address % (2 << 20), Is.EqualTo((nint)0));
        Span<byte> bytes = new((void*)memory.Address, 5_000_000);
        Assert.That(bytes.IndexOfAnyExcept((byte)0), Is.EqualTo(-1));
        bytes.Fill(1);
    }

    private static unsafe long NativeSize(string name)
    {
        fixed (byte* text = Encoding.UTF8.GetBytes(name + '\0'))
            return CpuNative.pd_abi_sizeof(text);
    }
}
