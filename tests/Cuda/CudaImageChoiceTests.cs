using System.IO.Compression;
using PdEngine.Interop;

namespace PdEngine.Tests;

/// <summary>Which images of the kernels a GPU is given.</summary>
[Category("Cuda")]
public sealed class CudaImageChoiceTests
{
    // Of no GPU that any compiler knows.
    private const int Unknown = 300;

    [TestCase(80, "sm_80")]
    [TestCase(86, "sm_80")]
    [TestCase(89, "sm_89")]
    [TestCase(90, "sm_90a")]
    [TestCase(Unknown, "compute_80")]
    public void A_gpu_gets_its_own_images_else_older_ones_of_its_generation_else_ptx(
        int capability, string target) =>
        Assert.That(CudaImages.For(Device(capability), Options()).Origin, Is.EqualTo(target));

    [Test]
    public void A_gpu_that_is_too_old_for_all_of_them_is_refused_with_what_there_is()
    {
        BackendException refused = Assert.Throws<BackendException>(
            () => CudaImages.For(Device(20), Options()))!;
        Assert.That(refused.Message, Does.Contain("2.0").And.Contain("sm_80").And.Contain("compute_80"));
    }

    [Test]
    public void Images_beside_the_program_come_before_its_own()
    {
        string folder = TestFiles.Scratch();
        Store(folder, "sm_90a", "embed", "beside");
        CudaImages images = CudaImages.For(Device(90), Options() with { ImagesFolder = folder });
        Assert.That(images.Origin, Does.Contain("sm_90a").And.Contain("1 images of").And.Contain(folder));
        Assert.That(
            images.All[CudaSources.Names.ToList().IndexOf("embed")], Is.EqualTo(Cubin("beside")));
    }

    [Test]
    public void A_target_beside_the_program_counts_where_it_is_complete()
    {
        string folder = TestFiles.Scratch();
        foreach (string name in CudaSources.Names)
        {
            Assert.That(
                CudaImages.For(Device(Unknown), Options() with { ImagesFolder = folder }).Origin,
                Is.EqualTo("compute_80"));
            Store(folder, $"sm_{Unknown}", name, "beside");
        }
        Assert.That(
            CudaImages.For(Device(Unknown), Options() with { ImagesFolder = folder }).Origin,
            Does.StartWith($"sm_{Unknown}"));
    }

    [Test]
    public void A_damaged_image_is_named()
    {
        string folder = TestFiles.Scratch();
        Store(folder, "sm_90a", "embed", "beside");
        string path = Path.Combine(folder, "sm_90a", "embed.cubin.br");
        File.WriteAllText(path, "no image");
        BackendException damaged = Assert.Throws<BackendException>(
            () => CudaImages.For(Device(90), Options() with { ImagesFolder = folder }))!;
        Assert.That(damaged.Message, Does.Contain(path));
    }

    // A driver is given no length: what is not whole would take the process along.
    [TestCase("cut off", "is cut off")]
    [TestCase("empty", "is cut off")]
    [TestCase("longer", "behind its packed end")]
    [TestCase("nothing packed", "0 bytes")]
    [TestCase("text packed", "no machine code")]
    [TestCase("header packed", "go on behind its 64 bytes")]
    [TestCase("half packed", "go on behind its")]
    public void An_image_that_is_not_whole_is_named(string damage, string why)
    {
        string folder = TestFiles.Scratch();
        byte[] whole = new CudaImageStore("none").Read(CudaTarget.Parse("sm_90a")!, "embed");
        byte[] packed = Packed(whole);
        Put("embed.cubin.br", damage switch
        {
            "cut off" => packed[..^1],
            "empty" => [],
            "longer" => [.. packed, 0],
            "nothing packed" => Packed([]),
            "text packed" => Packed([.. Enumerable.Repeat((byte)'x', 100)]),
            "header packed" => Packed(whole.AsSpan(0, 64)),
            _ => Packed(whole.AsSpan(0, whole.Length / 2)),
        });
        BackendException refused = Assert.Throws<BackendException>(
            () => CudaImages.For(Device(90), Options() with { ImagesFolder = folder }))!;
        Assert.That(
            refused.Message, Does.Contain(Path.Combine(folder, "sm_90a", "embed.cubin.br")).And.Contain(why));
        Put("embed.cubin.br", packed);
        Assert.DoesNotThrow(() => CudaImages.For(Device(90), Options() with { ImagesFolder = folder }));

        void Put(string name, byte[] content) => File.WriteAllBytes(
            Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "sm_90a")).FullName, name), content);
    }

    [TestCase("", "it is empty")]
    [TestCase("\n", "it is empty")]
    [TestCase(".version 8.4\0.target sm_80", "zero bytes")]
    public void Ptx_that_is_no_text_is_named(string text, string why)
    {
        BackendException refused = Assert.Throws<BackendException>(() => CudaImageFile.Unpack(
            Packed(System.Text.Encoding.UTF8.GetBytes(text)), "a.ptx.br", isText: true))!;
        Assert.That(refused.Message, Does.StartWith("a.ptx.br is no image").And.Contain(why));
    }

    [Test]
    public void What_was_compiled_before_is_taken_and_a_damaged_one_is_not()
    {
        CudaOptions options = Options() with { CacheFolder = TestFiles.Scratch() };
        CudaImageCache cache = new(options.CacheFolder);
        string target = $"sm_{Unknown}";
        foreach (string name in CudaSources.Names)
        {
            Assert.That(CudaImages.Compiled(Unknown, options), Is.Null, "no compiler knows it");
            cache.Add(target, name, CudaSources.HashOf(CudaSources.TextOf(name), target), "compiled"u8);
        }
        CudaImages images = CudaImages.For(Device(Unknown), options);
        Assert.That(images.Origin, Is.EqualTo($"{target} compiled before"));
        Assert.That(images.All, Is.All.EqualTo("compiled"u8.ToArray()));

        string file = Directory.GetFiles(Path.Combine(options.CacheFolder, target)).First();
        byte[] bytes = File.ReadAllBytes(file);
        bytes[^1]++;
        foreach (byte[] damaged in (byte[][])[bytes, bytes[..^1], bytes[..32], bytes[..5], []])
        {
            File.WriteAllBytes(file, damaged);
            Assert.That(CudaImages.Compiled(Unknown, options), Is.Null, $"{damaged.Length} bytes");
        }
    }

    [Test]
    public void Another_gpu_is_compiled_for_once()
    {
        Nvrtc compiler = CudaCompiler.Find();
        CudaOptions options = new() { CacheFolder = TestFiles.Scratch(), CompilerPath = compiler.Path };
        CudaImages first = CudaImages.Compiled(87, options)!;
        CudaImages again = CudaImages.Compiled(87, options)!;
        Assert.That(first.Origin, Does.StartWith("sm_87 compiled by"));
        Assert.That(again.Origin, Is.EqualTo("sm_87 compiled before"));
        Assert.That(again.All, Is.EqualTo(first.All));
        Assert.That(first.All, Has.All.Length.GreaterThan(1000));
    }

    [Test]
    public void A_source_is_one_text_that_changes_with_its_headers()
    {
        Dictionary<string, string> files = new()
        {
            ["a.cu"] = "#include \"device/b.h\"\n#include \"args.h\"\nkernel",
            ["device/b.h"] = "#pragma once\n#include \"../args.h\"\n#include \"../emulator/c.h\"\nbody",
            ["args.h"] = "#pragma once\nargs",
        };
        string text = CudaSources.TextOf("a", path => files[path]);
        Assert.That(text.Split('\n').Count(line => line == "args"), Is.EqualTo(1));
        Assert.That(text, Does.Contain("../emulator/c.h").And.Not.Contain("pragma"));
        string[] lines = text.Split('\n');
        Assert.That(Array.IndexOf(lines, "args"), Is.LessThan(Array.IndexOf(lines, "body")));
        string hash = CudaSources.HashOf(text, "sm_80");
        Assert.That(CudaSources.HashOf(text, "sm_89"), Is.Not.EqualTo(hash));
        files["args.h"] += " more";
        Assert.That(
            CudaSources.HashOf(CudaSources.TextOf("a", path => files[path]), "sm_80"), Is.Not.EqualTo(hash));
    }

    // Folders that are not there: neither what lies beside the tests nor what was compiled before counts.
    private static CudaOptions Options() => new() { ImagesFolder = "none", CacheFolder = "none" };

    private static CudaDevice Device(int capability) => new(0, 0, "a GPU", capability, 1, 100_000, 1 << 30);

    private static void Store(string folder, string target, string name, string content)
    {
        Directory.CreateDirectory(Path.Combine(folder, target));
        File.WriteAllBytes(Path.Combine(folder, target, $"{name}.cubin.br"), Packed(Cubin(content)));
    }

    private static byte[] Packed(ReadOnlySpan<byte> content)
    {
        using MemoryStream packed = new();
        using (BrotliStream packer = new(packed, CompressionLevel.Fastest))
            packer.Write(content);
        return packed.ToArray();
    }

    /// <summary>The least that is whole: a header, a section of nothing, and what no section has.</summary>
    private static byte[] Cubin(string content)
    {
        byte[] start = new byte[128];
        "\u007fELF\u0002\u0001"u8.CopyTo(start);
        (start[0x28], start[0x3a], start[0x3c]) = (64, 64, 1);
        return [.. start, .. System.Text.Encoding.UTF8.GetBytes(content)];
    }
}
