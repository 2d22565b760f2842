using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.RegularExpressions;
using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>The committed images of the kernels are those of the present sources.</summary>
/// <remarks>
/// To build them anew: have libnvrtc.so.12 of CUDA 12.4 where the loader finds it, or name it with PD_NVRTC;
/// then <c>dotnet test --filter Images_are_built</c>.
/// </remarks>
[Category("Cuda")]
public sealed partial class CudaImageTests
{
    private const string Remedy = "build the images anew: see CudaImageTests";
    private const string CompilerVersion = "12.4";

    /// <summary>Most registers that leave the kernels the blocks an SM that they are written for.</summary>
    private static readonly Dictionary<string, int> MostRegisters = new()
    {
        ["pd_attention_d128_m64"] = 255, ["pd_attention_d128_m16"] = 255, ["pd_attention_d64_m64"] = 200,
        ["pd_gemm_m128"] = 200, ["pd_gemm_m64"] = 160, ["pd_gemm_m16"] = 128, ["pd_sample"] = 128,
    };

    private static string Folder => Path.Combine(TestFiles.Root, "kernels", "cuda", "images");

    private static string Index => Path.Combine(Folder, "images.txt");

    [Test]
    public void Images_are_of_the_present_sources()
    {
        string[] lines = File.ReadAllLines(Index);
        Assert.That(lines, Has.Length.EqualTo(CudaSources.Targets.Count));
        foreach (string line in lines)
        {
            string[] words = line.Split(' ');
            Assert.That(words[1], Is.EqualTo(CudaSources.Hash), $"the image for {words[0]} is old: {Remedy}");
            Assert.That(
                Convert.ToHexStringLower(SHA256.HashData(Unpack(words[0]))), Is.EqualTo(words[2]),
                $"the image for {words[0]} is not the one that was built: {Remedy}");
        }
    }

    [Test]
    public void Every_image_has_every_kernel(
        [ValueSource(typeof(CudaSources), nameof(CudaSources.Targets))] string target)
    {
        CudaDriver driver = StandIn.Open(deviceCount: 1);
        using CudaContext context = CudaContext.Open(driver, CudaDevice.Open(driver, 0));
        using CudaModule module = new(context, [.. Unpack(target), 0]);
        Assert.DoesNotThrow(() => _ = new CudaKernels(module, context.Device.SharedBytesPerBlock));
    }

    [Test]
    public void Images_rebuild_bit_equal_without_spills(
        [ValueSource(typeof(CudaSources), nameof(CudaSources.Targets))] string target)
    {
        CompiledKernels built = Compiler().Compile(CudaSources.Text, target, CudaSources.Options);
        CheckRegisters(built.Log, target);
        Assert.That(built.Image.AsSpan().SequenceEqual(Unpack(target)), $"{target}: {Remedy}");
    }

    [Test]
    [Explicit("writes the images")]
    public void Images_are_built()
    {
        NvrtcCompiler compiler = Compiler();
        Directory.CreateDirectory(Folder);
        List<string> lines = [];
        foreach (string target in CudaSources.Targets)
        {
            CompiledKernels built = compiler.Compile(CudaSources.Text, target, CudaSources.Options);
            TestContext.Out.WriteLine($"{target}:\n{Registers(built.Log)}");
            CheckRegisters(built.Log, target);
            using FileStream file = File.Create(PathOf(target));
            using GZipStream packed = new(file, CompressionLevel.SmallestSize);
            packed.Write(built.Image);
            string hash = Convert.ToHexStringLower(SHA256.HashData(built.Image));
            lines.Add($"{target} {CudaSources.Hash} {hash}");
        }
        File.WriteAllLines(Index, lines);
    }

    private static NvrtcCompiler Compiler()
    {
        try
        {
            string? named = Environment.GetEnvironmentVariable("PD_NVRTC");
            NvrtcCompiler compiler = NvrtcCompiler.Open(named is null ? ["libnvrtc.so.12"] : [named]);
            if (compiler.Version != CompilerVersion)
                Assert.Ignore($"NVRTC is {compiler.Version}; images are built by {CompilerVersion}");
            return compiler;
        }
        catch (CudaException missing)
        {
            Assert.Ignore(missing.Message);
            throw;
        }
    }

    private static string PathOf(string target) => Path.Combine(
        Folder, target + (target.StartsWith("sm_", StringComparison.Ordinal) ? ".cubin.gz" : ".ptx.gz"));

    private static byte[] Unpack(string target)
    {
        using GZipStream packed = new(File.OpenRead(PathOf(target)), CompressionMode.Decompress);
        using MemoryStream image = new();
        packed.CopyTo(image);
        return image.ToArray();
    }

    private static void CheckRegisters(string log, string target)
    {
        if (!target.StartsWith("sm_", StringComparison.Ordinal))
            return;
        MatchCollection kernels = Kernel().Matches(log);
        Assert.That(kernels, Has.Count.EqualTo(19), log);
        foreach (Match kernel in kernels)
        {
            string name = kernel.Groups["name"].Value;
            Assert.That(kernel.Groups["spills"].Value, Is.EqualTo("0"), $"{target}: {name} spills registers");
            int registers = int.Parse(kernel.Groups["registers"].Value);
            Assert.That(
                registers, Is.LessThanOrEqualTo(MostRegisters.GetValueOrDefault(name, 180)),
                $"{target}: registers of {name}");
        }
    }

    private static string Registers(string log) =>
        string.Join('\n', Kernel().Matches(log).Select(kernel =>
            $"{kernel.Groups["name"].Value} {kernel.Groups["registers"].Value}").Order());

    [GeneratedRegex(
        @"entry function '(?<name>\w+)'.*?(?<spills>\d+) bytes spill stores.*?Used (?<registers>\d+) reg",
        RegexOptions.Singleline)]
    private static partial Regex Kernel();
}
