from visus.data.formats.coco_names import COCO_PERSON_SCHEMA, COCO_SCHEMA
from visus.nn.published import PUBLISHED
from visus.predict.published_schemas import published_schema


def test_segmentation_has_vocs_classes_after_a_background():
    schema, _ = published_schema("deeplabv3_resnet50")
    assert schema.num_classes == len(schema.colours) == PUBLISHED["deeplabv3_resnet50"].num_classes + 1
    assert (schema.categories[0], schema.categories[15], schema.categories[20]) == ("background", "person", "tvmonitor")
    assert schema.colours[15] == (192, 128, 128)


def test_detectors_have_cocos():
    assert published_schema("ssd300_vgg16") == (COCO_SCHEMA, "COCO")
    assert published_schema("keypointrcnn_resnet50_fpn_legacy") == (COCO_PERSON_SCHEMA, "COCO")


def test_classifiers_have_imagenets():
    schema, data = published_schema("resnet50_v2")
    assert data == "ImageNet"
    assert schema.num_classes == len(schema.category_ids) == PUBLISHED["resnet50_v2"].num_classes
    assert "tench" in schema.categories[0]
    assert "Egyptian cat" in schema.categories[285]
    assert len(set(schema.categories)) == 1000
