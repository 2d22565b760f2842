using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace PdEngine.Interop;

/// <summary>Declarations of libpd_cpu, one for one with kernels/include/pd_cpu.h.</summary>
internal static unsafe partial class CpuNative
{
    private const string Library = "pd_cpu";

    [LibraryImport(Library)]
    internal static partial byte* pd_last_error();

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_isa_supported(int isa);

    [LibraryImport(Library)]
    internal static partial int pd_cpu_best_isa();

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_crew_create(CrewArgs* args, nint* crew);

    [LibraryImport(Library)]
    internal static partial void pd_cpu_crew_destroy(nint crew);

    [LibraryImport(Library)]
    internal static partial nint pd_cpu_crew_team(nint crew, int index);

    [LibraryImport(Library)]
    internal static partial void pd_cpu_team_rest(nint team);

    [LibraryImport(Library)]
    internal static partial long pd_cpu_team_lent_tiles(nint team);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_map(long bytes, void** memory);

    [LibraryImport(Library)]
    internal static partial void pd_cpu_unmap(void* memory, long bytes);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_vacate(void* memory, long bytes);

    [LibraryImport(Library)]
    internal static partial long pd_cpu_packed_bytes(int isa, long n, long k);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_pack(PackArgs* args);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_unpack(UnpackArgs* args);

    [LibraryImport(Library)]
    internal static partial long pd_cpu_matmul_scratch_bytes(MatMulArgs* args);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_matmul(MatMulArgs* args);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_embed(EmbedArgs* args);

    [LibraryImport(Library)]
    internal static partial long pd_cpu_int8_packed_bytes(int isa, long n, long k, int segments);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_pack_int8(PackInt8Args* args);

    [LibraryImport(Library)]
    internal static partial long pd_cpu_matmul_int8_scratch_bytes(MatMulArgs* args);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_matmul_int8(MatMulArgs* args);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_embed_int8(EmbedInt8Args* args);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_rms_norm(RmsNormArgs* args);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_swiglu(SwiGluArgs* args);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_sum(SumArgs* args);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_rotate_and_append(AppendArgs* args);

    [LibraryImport(Library)]
    internal static partial long pd_cpu_attend_scratch_bytes(AttendArgs* args);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_attend(AttendArgs* args);

    [LibraryImport(Library)]
    internal static partial long pd_cpu_sample_scratch_bytes(SampleArgs* args);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_sample(SampleArgs* args);

    [LibraryImport(Library)]
    internal static partial long pd_cpu_sgemm_scratch_bytes(SgemmArgs* args);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_sgemm(SgemmArgs* args);

    [LibraryImport(Library)]
    internal static partial NativeStatus pd_cpu_probe(
        nint team, int what, int milliseconds, long readBytes, double* rate);

    [LibraryImport(Library)]
    internal static partial long pd_abi_sizeof(byte* name);
}
