using System.Security.Cryptography;
using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>The images of the kernels that ship are of these sources, and are what a GPU can take.</summary>
[Category("Cuda")]
public sealed class CudaImageTests
{
    private const string Remedy = "Run: dotnet run --project kernels/cuda/images/build -c Release";

    private static readonly string Folder = Path.Combine(TestFiles.Root, "kernels", "cuda", "images");

    /// <summary>
    /// Most registers of a thread, by what a kernel's name begins with. They keep the thread blocks of a
    /// multiprocessor, of 65,536 registers, at the number that the kernel is made for.
    /// </summary>
    private static readonly (string Kernel, int Registers)[] MostRegisters =
    [
        ("pd_attention_merge", 100), ("pd_attention_d128_m256", 255), ("pd_attention_d128", 240),
        ("pd_attention_d64_m256", 255), ("pd_attention_", 180), ("pd_gemm_m16", 128),
        ("pd_gemm_m32", 160), ("pd_gemm_m64_n128", 255), ("pd_gemm_m64", 160), ("pd_gemm_m128", 255),
        ("pd_sample", 128), ("pd_", 80),
    ];

    private static string[] TargetNames => [.. ImageSet.Kernels.Targets.Select(target => target.Name)];

    private static ImageManifest Manifest => ImageManifest.Read(Folder)!;

    [Test]
    public void Every_source_has_an_image_of_what_it_is_now()
    {
        Assert.That(Manifest.Flags, Is.EqualTo(CudaSources.Flags), Remedy);
        Assert.That(
            Manifest.Images.Select(image => $"{image.Target}/{image.Source}: {image.SourceHash}"),
            Is.EqualTo(ImageSet.Kernels.Targets.SelectMany(target => CudaSources.Names.Select(name =>
                $"{target.Name}/{name}: {CudaSources.HashOf(CudaSources.TextOf(name), target.Name)}"))),
            Remedy);
    }

    [Test]
    public void Every_image_is_the_one_that_the_manifest_tells_of(
        [ValueSource(nameof(TargetNames))] string name)
    {
        CudaTarget target = CudaTarget.Parse(name)!;
        CudaImageStore store = new("none");
        foreach (ImageRecord record in Manifest.Images.Where(image => image.Target == name))
        {
            byte[] image = store.Read(target, record.Source);
            ReadOnlySpan<byte> content = image.AsSpan(0, image.Length - (target.IsVirtual ? 1 : 0));
            Assert.That(
                Convert.ToHexStringLower(SHA256.HashData(content)), Is.EqualTo(record.ImageHash),
                $"{name}/{record.Source}. {Remedy}");
        }
    }

    [Test]
    public void No_kernel_spills_and_none_takes_more_registers_than_it_is_made_for()
    {
        foreach (ImageRecord image in Manifest.Images.Where(image => !image.Target.StartsWith('c')))
        {
            foreach (KernelRecord kernel in image.Kernels)
            {
                string what = $"{image.Target}: {kernel}";
                // It takes more shared memory than GPUs before sm_90 have.
                if (kernel.Name == "pd_attention_d128_m256" && image.Target != "sm_90a")
                    continue;
                int most = MostRegisters.First(cap => kernel.Name.StartsWith(
                    cap.Kernel, StringComparison.Ordinal)).Registers;
                Assert.That(kernel.Registers, Is.InRange(1, most), what);
                Assert.That(kernel.SpilledBytes, Is.Zero, what);
                // Logarithms of doubles in sampling keep a table there.
                int mostStack = kernel.Name == "pd_sample" ? 80 : 0;
                Assert.That(kernel.StackBytes, Is.LessThanOrEqualTo(mostStack), what);
            }
        }
    }

    [Test]
    public void The_same_compiler_makes_the_same_images_again([ValueSource(nameof(TargetNames))] string name)
    {
        Nvrtc compiler = CudaCompiler.Find();
        foreach (string source in CudaSources.Names)
        {
            BuiltImage again = BuiltImage.Of(compiler, ImageSet.Kernels, source, CudaTarget.Parse(name)!);
            if (again.Compiler != Manifest.Compiler)
                Assert.Ignore($"{again.Compiler} is here, and the images are of {Manifest.Compiler}");
            ImageRecord record = Manifest.Images.Single(
                image => image.Target == name && image.Source == source);
            Assert.That(again.Record.ImageHash, Is.EqualTo(record.ImageHash), $"{name}/{source}. {Remedy}");
            Assert.That(again.Record.Kernels, Is.EqualTo(record.Kernels), $"{name}/{source}. {Remedy}");
        }
    }

    [Test]
    public void Every_target_has_all_kernels_with_the_arguments_that_the_backend_passes(
        [Values(80, 89, 90, 300)] int capability)
    {
        using CudaRig rig = new();
        StandIn.SetCapability(capability);
        CudaDevice device = CudaDevice.Open(rig.Driver, 0);
        CudaOptions options = new() { CacheFolder = "none", ImagesFolder = "none" };
        using CudaModules modules = new(rig.Context, CudaImages.For(device, options).All);
        Assert.DoesNotThrow(() => _ = new CudaKernels(modules, device.SharedBytesPerBlock));
    }

    [Test]
    public void A_kernel_that_no_image_has_is_named()
    {
        using CudaRig rig = new();
        using CudaModules modules = new(rig.Context, [Image("sm_90a", "embed")]);
        CudaException missing = Assert.Throws<CudaException>(
            () => modules.Function("pd_rms_norm", 48, 0))!;
        Assert.That(missing.Message, Does.Contain("pd_rms_norm"));
    }

    [Test]
    public void An_image_for_another_gpu_is_refused(
        [Values("sm_80", "sm_89", "sm_90a")] string target, [Values(80, 86, 89, 90, 120)] int capability)
    {
        using CudaRig rig = new();
        StandIn.SetCapability(capability);
        bool fits = target == "sm_80" ? capability < 90 : capability == (target == "sm_89" ? 89 : 90);
        Action load = () => new CudaModule(rig.Context, Image(target, "embed")).Dispose();
        if (fits)
            Assert.DoesNotThrow(load);
        else
            Assert.That(Assert.Throws<CudaException>(load)!.Result, Is.EqualTo(CudaResult.NoBinaryForGpu));
    }

    [Test]
    public void Arguments_of_another_size_are_refused([Values("sm_90a", "compute_80")] string target)
    {
        using CudaRig rig = new();
        byte[] image = Image(target, "embed");
        int bytes = Manifest.Images.First(image => image.Source == "embed").Kernels[0].ParameterBytes;
        // In a cubin a half word of its .nv.info section, in PTX the length of an array.
        byte[] told = target == "sm_90a" ? [0x03, 0x19, (byte)bytes, 0]
            : System.Text.Encoding.UTF8.GetBytes($"pd_embed_param_0[{bytes}]");
        int at = image.AsSpan().IndexOf(told);
        Assert.That(at, Is.Positive);
        image[at + (target == "sm_90a" ? 2 : told.Length - 2)]++;
        CudaException refused = Assert.Throws<CudaException>(() => new CudaModule(rig.Context, image))!;
        Assert.That(refused.Result, Is.EqualTo(CudaResult.InvalidImage));
        Assert.That(refused.Message, Does.Contain("bytes of arguments"));
    }

    private static byte[] Image(string target, string source) =>
        new CudaImageStore("none").Read(CudaTarget.Parse(target)!, source);
}
