using System.Security.Cryptography;
using PdEngine.Interop;

namespace PdEngine.Bench;

/// <summary>
/// The candidate product by wgmma and the copy engine, on a GPU that may take it. No engine uses it: it is
/// here to be compared with the product that engines use, bit by bit and by the clock.
/// </summary>
internal sealed class WgmmaCandidate : IDisposable
{
    /// <summary>What the names of rows that decide about it begin with.</summary>
    public const string VerifyPrefix = "verify/candidate wgmma";

    private const int Capability = 90;
    private const string Image = "sm_90a/gemm_wgmma.cubin.br";

    private readonly CheckRig _rig;
    private readonly CheckJournal _journal;
    private readonly CudaModule? _module;
    private readonly Dictionary<WgmmaTile, CudaFunction> _functions = [];
    private readonly string? _whyNone;

    public WgmmaCandidate(CheckRig rig, CheckJournal journal, CheckSettings settings)
    {
        (_rig, _journal) = (rig, journal);
        if (rig.Gpu.Device.Capability != Capability)
        {
            _whyNone = "its image is for compute capability 9.0 alone";
            return;
        }
        try
        {
            rig.Gpu.Context.MakeCurrent();
            (byte[] packed, string path) = Stored(settings);
            _module = new(rig.Gpu.Context, CudaImageFile.Unpack(packed, path, isText: false));
            foreach (WgmmaTile tile in WgmmaTile.All)
            {
                int segments = tile.HasSegments ? 4 : 1;
                _functions.Add(tile, _module.Function(
                    tile.Name, System.Runtime.CompilerServices.Unsafe.SizeOf<CudaWgmmaGemmArgs>(),
                    tile.SharedBytes(segments, isApart: false)));
            }
        }
        catch (CudaException refused)
        {
            _module?.Dispose();
            _whyNone = refused.Message;
        }
    }

    /// <summary>Why a row cannot have it; null where it can.</summary>
    /// <param name="row">Its name.</param>
    public string? WhyNone(string row)
    {
        if (_whyNone is not null)
            return _whyNone;
        // A fault of a kernel costs a process its GPU: one row is enough to tell of it.
        string? failed = _journal.FailedRows.Select(one => one.GetProperty("row").GetString()!)
            .FirstOrDefault(one => one != row && one.StartsWith(VerifyPrefix, StringComparison.Ordinal));
        return failed is null ? null : $"it failed in {failed}";
    }

    /// <summary>The ways in which it makes a product; segments may be blocks of their own.</summary>
    public static IEnumerable<(WgmmaTile Tile, bool IsSpread)> Ways(CudaGemmShape shape)
    {
        foreach (WgmmaTile tile in WgmmaTile.All)
        {
            if (shape.Segments == 1 || tile.HasSegments)
                yield return (tile, false);
            CudaExtent grid = tile.Grid(shape, isApart: true);
            if (shape.Segments > 1 && tile.HasSegments && grid.X * grid.Y <= CudaGemmPlan.MostSpreadTiles
                && ScratchBytes(tile, shape) <= CudaGemmPlan.MostSpreadBytes)
            {
                yield return (tile, true);
            }
        }
    }

    /// <summary>Puts a product on the rig's stream.</summary>
    /// <param name="tile">One of <see cref="Ways"/>.</param>
    /// <param name="isSpread">Of the same.</param>
    /// <param name="args">Scratch and arrivals as they have to be where segments are spread.</param>
    public void Launch(WgmmaTile tile, bool isSpread, in CudaGemmArgs args)
    {
        CudaGemmShape shape = new(args.Rows, args.Outputs, args.Columns, args.Segments);
        _rig.Stream.Launch(
            _functions[tile], tile.Grid(shape, isSpread), new(WgmmaTile.Threads),
            tile.SharedBytes(args.Segments, isSpread), tile.Args(_rig.Gpu.Context.Driver, args));
    }

    public void Dispose() => _module?.Dispose();

    private static long ScratchBytes(WgmmaTile tile, CudaGemmShape shape)
    {
        CudaExtent grid = tile.Grid(shape, isApart: true);
        return (long)grid.X * grid.Y * grid.Z * WgmmaTile.Rows * tile.Outputs * sizeof(float);
    }

    /// <summary>Of the image as it is stored; another is another candidate.</summary>
    /// <exception cref="BackendException">It cannot be read.</exception>
    public static string HashOf(CheckSettings settings) =>
        Convert.ToHexStringLower(SHA256.HashData(Stored(settings).Packed))[..16];

    /// <summary>One that lies in a folder comes before the one inside.</summary>
    private static (byte[] Packed, string Path) Stored(CheckSettings settings)
    {
        string beside = Path.Combine(CheckRig.OptionsOf(settings).ImagesFolder, Image);
        if (File.Exists(beside))
            return (CudaImageFile.ReadPacked(beside), beside);
        using Stream inside =
            typeof(WgmmaCandidate).Assembly.GetManifestResourceStream($"candidates/{Image}")!;
        byte[] packed = new byte[inside.Length];
        inside.ReadExactly(packed);
        return (packed, Image);
    }
}
