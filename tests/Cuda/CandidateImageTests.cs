using System.IO.Compression;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using PdEngine.Bench;
using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>The images of candidates are of their sources, and for the one GPU that they are meant for.
/// </summary>
[Category("Cuda")]
public sealed class CandidateImageTests
{
    private const string Remedy = "Run: dotnet run --project kernels/cuda/images/build -c Release";

    // One block of 288 threads is on a multiprocessor, of 65,536 registers.
    private const int MostRegisters = 224;

    private static readonly string Folder = Path.Combine(TestFiles.Root, "kernels", "cuda", "candidates");

    private static ImageManifest Manifest => ImageManifest.Read(Folder)!;

    [Test]
    public void Every_candidate_has_an_image_of_what_its_source_is_now()
    {
        Assert.That(Manifest.Flags, Is.EqualTo(CudaSources.Flags), Remedy);
        Assert.That(ImageSet.Candidates.Names, Does.Contain("gemm_wgmma"));
        Assert.That(
            Manifest.Images.Select(image => $"{image.Target}/{image.Source}: {image.SourceHash}"),
            Is.EqualTo(ImageSet.Candidates.Names.Select(name =>
                $"sm_90a/{name}: {CudaSources.HashOf(ImageSet.Candidates.TextOf(name), "sm_90a")}")), Remedy);
    }

    [Test]
    public void Images_are_those_of_the_manifest_and_what_gpu_check_carries()
    {
        foreach (ImageRecord record in Manifest.Images)
        {
            byte[] image = Unpacked(record);
            Assert.That(
                Convert.ToHexStringLower(SHA256.HashData(image)), Is.EqualTo(record.ImageHash), Remedy);
            using Stream carried = typeof(WgmmaTile).Assembly.GetManifestResourceStream(
                $"candidates/{record.Target}/{record.Source}.cubin.br")!;
            Assert.That(Unpacked(carried), Is.EqualTo(image));
        }
    }

    [Test]
    public void No_candidate_spills()
    {
        foreach (KernelRecord kernel in Manifest.Images.SelectMany(image => image.Kernels))
        {
            Assert.That(kernel.Registers, Is.InRange(1, MostRegisters), kernel.Name);
            Assert.That(kernel.SpilledBytes + kernel.StackBytes, Is.Zero, kernel.Name);
        }
    }

    [Test]
    public void The_same_compiler_makes_the_same_images_again()
    {
        Nvrtc compiler = CudaCompiler.Find();
        foreach (ImageRecord record in Manifest.Images)
        {
            BuiltImage again = BuiltImage.Of(
                compiler, ImageSet.Candidates, record.Source, CudaTarget.Parse(record.Target)!);
            if (again.Compiler != Manifest.Compiler)
                Assert.Ignore($"{again.Compiler} is here, and the images are of {Manifest.Compiler}");
            Assert.That(again.Record.ImageHash, Is.EqualTo(record.ImageHash), Remedy);
            Assert.That(again.Record.Kernels, Is.EqualTo(record.Kernels), Remedy);
        }
    }

    // With the bytes of arguments that are passed, which lie at a multiple of 64 in a kernel's bank of them.
    [TestCase(90, true)]
    [TestCase(89, false)]
    [TestCase(100, false)]
    public void They_load_on_their_own_gpu_alone(int capability, bool loads)
    {
        using CudaRig rig = new();
        StandIn.SetCapability(capability);
        foreach (ImageRecord record in Manifest.Images)
        {
            byte[] image = Unpacked(record);
            if (!loads)
            {
                CudaException refused = Assert.Throws<CudaException>(
                    () => new CudaModule(rig.Context, image).Dispose())!;
                Assert.That(refused.Result, Is.EqualTo(CudaResult.NoBinaryForGpu));
                continue;
            }
            using CudaModule module = new(rig.Context, image);
            foreach (WgmmaTile tile in WgmmaTile.All)
                module.Function(tile.Name, Unsafe.SizeOf<CudaWgmmaGemmArgs>(), tile.SharedBytes(1, false));
        }
    }

    /// <summary>Engines know nothing of them.</summary>
    [Test]
    public void The_library_carries_none() =>
        Assert.That(
            typeof(CudaSources).Assembly.GetManifestResourceNames().Where(
                name => name.Contains("wgmma.cu", StringComparison.Ordinal) || name.Contains("gemm_wgmma")),
            Is.Empty);

    private static byte[] Unpacked(ImageRecord record)
    {
        using FileStream stored =
            File.OpenRead(ImageFolder.PathOf(Folder, CudaTarget.Parse(record.Target)!, record.Source));
        return Unpacked(stored);
    }

    private static byte[] Unpacked(Stream stored)
    {
        using BrotliStream unpacked = new(stored, CompressionMode.Decompress);
        using MemoryStream image = new();
        unpacked.CopyTo(image);
        return image.ToArray();
    }
}
