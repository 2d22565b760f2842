using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;

namespace PdEngine;

/// <summary>
/// An image of kernels as it is stored, packed by Brotli. A driver is told no length, and reads on wherever
/// an image says that it goes on: what is not whole never gets there.
/// </summary>
internal static class CudaImageFile
{
    private const int HeaderBytes = 64;
    private const uint SectionWithoutBytes = 8;

    /// <summary>As it is stored.</summary>
    /// <exception cref="BackendException">It cannot be read.</exception>
    public static byte[] ReadPacked(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new BackendException($"{path} cannot be read: {refused.Message}", refused);
        }
    }

    /// <param name="packed">All of it.</param>
    /// <param name="path">What the message names.</param>
    /// <param name="isText">Whether it is PTX, which is given a zero byte at its end.</param>
    /// <exception cref="BackendException">It is not whole.</exception>
    public static byte[] Unpack(ReadOnlySpan<byte> packed, string path, bool isText)
    {
        using MemoryStream image = new();
        string? problem = Unpack(packed, image);
        if (isText)
        {
            problem ??= ProblemOfText(image.GetBuffer().AsSpan(0, (int)image.Length));
            image.WriteByte(0);
        }
        else
        {
            problem ??= ProblemOfCubin(image.GetBuffer().AsSpan(0, (int)image.Length));
        }
        return problem is null
            ? image.ToArray()
            : throw new BackendException($"{path} is no image of a kernel: {problem}. Remove it.");
    }

    /// <summary>What is wrong with it; null where nothing is.</summary>
    private static string? Unpack(ReadOnlySpan<byte> packed, MemoryStream image)
    {
        byte[] room = new byte[1 << 16];
        using BrotliDecoder decoder = default;
        while (true)
        {
            switch (decoder.Decompress(packed, room, out int taken, out int made))
            {
                case OperationStatus.Done:
                    image.Write(room, 0, made);
                    return taken == packed.Length ? null : "something lies behind its packed end";
                case OperationStatus.DestinationTooSmall:
                    image.Write(room, 0, made);
                    packed = packed[taken..];
                    break;
                case OperationStatus.NeedMoreData:
                    return "it is cut off";
                default:
                    return "it is not packed by Brotli";
            }
        }
    }

    private static string? ProblemOfText(ReadOnlySpan<byte> text) =>
        text.IndexOfAnyExcept(" \t\r\n"u8) < 0 ? "it is empty"
        : text.Contains((byte)0) ? "PTX has no zero bytes"
        : null;

    /// <summary>That all tables and sections of an ELF file lie within it.</summary>
    private static string? ProblemOfCubin(ReadOnlySpan<byte> image)
    {
        // 64 bits, the least significant byte first.
        if (image.Length < HeaderBytes || !image.StartsWith("\u007fELF\u0002\u0001"u8))
            return $"its {image.Length} bytes are no machine code of a GPU";
        ulong sections = BinaryPrimitives.ReadUInt64LittleEndian(image[0x28..]);
        ulong programs = BinaryPrimitives.ReadUInt64LittleEndian(image[0x20..]);
        int programBytes = BinaryPrimitives.ReadUInt16LittleEndian(image[0x36..]);
        int programCount = BinaryPrimitives.ReadUInt16LittleEndian(image[0x38..]);
        int sectionBytes = BinaryPrimitives.ReadUInt16LittleEndian(image[0x3a..]);
        int sectionCount = BinaryPrimitives.ReadUInt16LittleEndian(image[0x3c..]);
        int namesSection = BinaryPrimitives.ReadUInt16LittleEndian(image[0x3e..]);
        bool isWhole = sectionBytes >= HeaderBytes && namesSection < sectionCount
            && IsWithin(image, sections, (ulong)sectionBytes * (ulong)sectionCount)
            && IsWithin(image, programs, (ulong)programBytes * (ulong)programCount);
        for (int index = 0; isWhole && index < sectionCount; index++)
        {
            ReadOnlySpan<byte> section = image[((int)sections + (index * sectionBytes))..];
            ulong first = BinaryPrimitives.ReadUInt64LittleEndian(section[0x18..]);
            ulong length = BinaryPrimitives.ReadUInt64LittleEndian(section[0x20..]);
            isWhole = BinaryPrimitives.ReadUInt32LittleEndian(section[4..]) == SectionWithoutBytes
                || IsWithin(image, first, length);
        }
        return isWhole ? null : $"its sections go on behind its {image.Length} bytes";
    }

    private static bool IsWithin(ReadOnlySpan<byte> image, ulong first, ulong length) =>
        first <= (ulong)image.Length && length <= (ulong)image.Length - first;
}
